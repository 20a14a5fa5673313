// SPDX-License-Identifier: Apache-2.0
#include "cli/format.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/encoding.hpp"

namespace lighterd::cli {
namespace {

constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
constexpr std::size_t kShortDigits = 12;
constexpr std::size_t kMaxBytesOfACharacter = 4;

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

}  // namespace

std::string format_size(std::int64_t bytes) {
  if (bytes < 0) return "?";
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // What three digits would round up to 1000 is one of the next unit.
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g%s", value, kUnits[unit]);
  return text.data();
}

std::string format_age(base::Timestamp time, base::Timestamp now) {
  const auto seconds = std::max<std::int64_t>(0, base::to_unix_seconds(now) - base::to_unix_seconds(time));
  const auto minutes = seconds / 60;
  const auto hours = (seconds + 1800) / 3600;
  const auto days = hours / 24;
  const auto text = [](std::int64_t count, const char* unit) { return std::to_string(count) + " " + unit; };
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return text(seconds, "seconds");
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return text(minutes, "minutes");
  if (hours == 1) return "About an hour";
  if (hours < 48) return text(hours, "hours");
  if (days < 14) return text(days, "days");
  if (days < 60) return text(days / 7, "weeks");
  if (days < 730) return text(days / 30, "months");
  return text(days / 365, "years");
}

std::string short_digest(std::string_view digest) {
  const std::size_t colon = digest.find(':');
  if (colon == std::string_view::npos) return std::string(digest);
  return std::string(digest.substr(colon + 1, kShortDigits));
}

std::size_t count_columns(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) { return !is_continuation(c); }));
}

std::string fit(std::string_view foreign_text, std::size_t columns) {
  std::string text = base::printable(foreign_text, (columns + 1) * kMaxBytesOfACharacter);
  if (count_columns(text) <= columns) return text;
  if (columns == 0) return {};
  std::size_t end = 0;
  for (std::size_t column = 0; end < text.size(); ++end) {
    if (!is_continuation(text[end]) && column++ == columns - 1) break;
  }
  text.resize(end);
  return text + "…";
}

}  // namespace lighterd::cli
