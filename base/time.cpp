// SPDX-License-Identifier: Apache-2.0
#include "base/time.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace lighterd::base {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// Takes exactly `count` digits from the front.
std::optional<int> take_number(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + count, value);
  if (error != std::errc() || end != text.data() + count || text[0] == '-') return std::nullopt;
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text[0] != expected) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<nanoseconds> take_fraction(std::string_view& text) {
  if (!take(text, '.')) return nanoseconds(0);
  std::int64_t value = 0;
  int digits = 0;
  for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1), ++digits)
    if (digits < 9) value = value * 10 + (text[0] - '0');
  if (digits == 0) return std::nullopt;
  for (; digits < 9; ++digits) value *= 10;
  return nanoseconds(value);
}

std::optional<minutes> take_offset(std::string_view& text) {
  if (take(text, 'Z') || take(text, 'z')) return minutes(0);
  const int sign = !text.empty() && text[0] == '-' ? -1 : 1;
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || *hour > 23 || *minute > 59) return std::nullopt;
  return sign * (hours(*hour) + minutes(*minute));
}

std::optional<std::chrono::sys_days> take_date(std::string_view& text) {
  const auto year = take_number(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  // Timestamp holds 1677-09-21 to 2262-04-11; whole years inside keep every sum below in range.
  if (!date.ok() || *year < 1678 || *year > 2261) return std::nullopt;
  return std::chrono::sys_days(date);
}

struct Unit {
  std::string_view name;
  double nanoseconds;
};
// Longer names before those that they start with.
constexpr std::array<Unit, 8> kUnits = {
    {{"ns", 1}, {"us", 1e3}, {"\u00b5s", 1e3}, {"\u03bcs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};

constexpr std::string_view kDigits = "0123456789";

// Digits with at most one point, and at least one digit.
std::optional<double> take_decimal(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string number(text.substr(0, end));
  if (number.size() > 40 || std::ranges::count(number, '.') > 1 || number.find_first_of(kDigits) == std::string::npos)
    return std::nullopt;
  text.remove_prefix(end);
  const std::size_t point = number.find('.');
  double value = 0;
  double scale = 1;
  for (std::size_t i = 0; i < number.size(); ++i) {
    if (i == point) continue;
    value = value * 10 + (number[i] - '0');
    if (i > point) scale *= 10;
  }
  return value / scale;
}

std::optional<double> take_unit(std::string_view& text) {
  for (const Unit& unit : kUnits) {
    if (!text.starts_with(unit.name)) continue;
    text.remove_prefix(unit.name.size());
    return unit.nanoseconds;
  }
  return std::nullopt;
}

}  // namespace

Timestamp now() {
  return std::chrono::time_point_cast<nanoseconds>(std::chrono::system_clock::now());
}

std::optional<Timestamp> parse_rfc3339(std::string_view text) {
  const auto date = take_date(text);
  if (!date || (!take(text, 'T') && !take(text, 't'))) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || !take(text, ':')) return std::nullopt;
  const auto second = take_number(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  const auto offset = take_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  return Timestamp(*date) + hours(*hour) + minutes(*minute) + seconds(*second) + *fraction - *offset;
}

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    const auto value = take_decimal(text);
    const auto unit = value ? take_unit(text) : std::nullopt;
    if (!unit) return std::nullopt;
    total += *value * *unit;
  }
  constexpr double kMax = 9.2e18;  // what an int64 of nanoseconds holds
  if (!(total < kMax)) return std::nullopt;
  return std::chrono::nanoseconds(std::llround(negative ? -total : total));
}

std::string format_rfc3339(Timestamp time) {
  const auto date = std::chrono::floor<days>(time);
  const std::chrono::year_month_day calendar(date);
  const std::chrono::hh_mm_ss clock(time - date);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%09d", int(calendar.year()),
                unsigned(calendar.month()), unsigned(calendar.day()), int(clock.hours().count()),
                int(clock.minutes().count()), int(clock.seconds().count()), int(clock.subseconds().count()));
  std::string out(text);
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out + "Z";
}

}  // namespace lighterd::base
