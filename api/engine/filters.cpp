// SPDX-License-Identifier: Apache-2.0
#include "api/engine/filters.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"

namespace lighterd::api {

using base::Error;
using base::ErrorCode;
using base::Json;

namespace {

constexpr base::JsonLimits kFilterLimits = {
    .max_bytes = std::size_t{1024} * 1024, .max_depth = 4, .max_values = 100'000};

[[noreturn]] void refuse(const std::string& detail) {
  throw Error(ErrorCode::kInvalidArgument, "invalid filter" + detail);
}

Json parse_filter_json(std::string_view json) {
  try {
    return base::parse_json(json, "filters", kFilterLimits);
  } catch (const Error&) {
    refuse("");
  }
}

template <typename Predicate>
bool all_values(const Json& object, Predicate predicate) {
  return std::ranges::all_of(object, [&](const Json& value) { return value.is_null() || predicate(value); });
}

}  // namespace

Filters Filters::parse(std::string_view json) {
  Filters filters;
  if (base::trim(json).empty()) return filters;
  const Json root = parse_filter_json(json);
  if (root.is_null()) return filters;
  if (!root.is_object()) refuse("");
  const bool maps = all_values(root, [](const Json& value) { return value.is_object(); });
  const bool arrays = all_values(root, [](const Json& value) { return value.is_array(); });
  if (!maps && !arrays) refuse("");
  for (const auto& [key, members] : root.items()) {
    auto& values = filters.values_[key];
    for (const auto& [name, value] : members.items()) {
      if (members.is_array() ? !value.is_string() : !value.is_boolean()) refuse("");
      Value entry = members.is_array() ? Value(value.get<std::string>(), true) : Value(name, value.get<bool>());
      if (std::ranges::find(values, entry.first, &Value::first) == values.end()) values.push_back(std::move(entry));
    }
  }
  return filters;
}

void Filters::add(std::string key, std::string value) {
  values_[std::move(key)].emplace_back(std::move(value), true);
}

void Filters::remove(std::string_view key) {
  const auto found = values_.find(key);
  if (found != values_.end()) values_.erase(found);
}

void Filters::require_known(std::initializer_list<std::string_view> keys) const {
  for (const auto& [key, values] : values_)
    if (std::ranges::find(keys, std::string_view(key)) == keys.end()) refuse(" '" + base::printable(key, 256) + "'");
}

std::vector<std::string> Filters::values(std::string_view key) const {
  std::vector<std::string> texts;
  const auto found = values_.find(key);
  if (found == values_.end()) return texts;
  for (const auto& [text, set] : found->second) texts.push_back(text);
  return texts;
}

std::optional<bool> Filters::find_bool(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  const auto says = [&](std::string_view a, std::string_view b) {
    return std::ranges::any_of(found->second,
                               [&](const Value& v) { return v.second && (v.first == a || v.first == b); });
  };
  const bool is_true = says("1", "true");
  const bool is_false = says("0", "false");
  if (is_true != is_false) return is_true;
  std::string list;
  for (const auto& [text, set] : found->second) list += (list.empty() ? "" : " ") + base::printable(text, 256);
  refuse(" '" + std::string(key) + (found->second.empty() ? "" : "=[" + list + "]") + "'");
}

// ---- Patterns

namespace {

enum class Match { kYes, kNo, kMalformed };

char take_literal(std::string_view& pattern, Match& result) {
  if (pattern.front() == '\\') {
    pattern.remove_prefix(1);
    if (pattern.empty()) {
      result = Match::kMalformed;
      return 0;
    }
  }
  const char c = pattern.front();
  pattern.remove_prefix(1);
  return c;
}

// `pattern` stands after '['; takes the class away from it.
Match match_class(std::string_view& pattern, char c) {
  const bool negated = pattern.starts_with('^');
  if (negated) pattern.remove_prefix(1);
  bool inside = false;
  for (std::size_t ranges = 0;; ++ranges) {
    if (pattern.empty()) return Match::kMalformed;
    if (pattern.front() == ']' && ranges > 0) break;
    if (pattern.front() == '-' || pattern.front() == ']') return Match::kMalformed;
    Match result = Match::kYes;
    const char low = take_literal(pattern, result);
    char high = low;
    if (pattern.starts_with('-')) {
      pattern.remove_prefix(1);
      if (pattern.empty() || pattern.front() == ']') return Match::kMalformed;
      high = take_literal(pattern, result);
    }
    if (result == Match::kMalformed) return result;
    inside = inside || (low <= c && c <= high);
  }
  pattern.remove_prefix(1);
  return inside != negated ? Match::kYes : Match::kNo;
}

// One element of the pattern, which is no star, against one character.
Match match_one(std::string_view& pattern, char c) {
  if (pattern.front() == '?') {
    pattern.remove_prefix(1);
    return c != '/' ? Match::kYes : Match::kNo;
  }
  if (pattern.front() == '[') {
    pattern.remove_prefix(1);
    const Match result = match_class(pattern, c);
    return result == Match::kYes && c == '/' ? Match::kNo : result;
  }
  Match result = Match::kYes;
  const char literal = take_literal(pattern, result);
  if (result == Match::kMalformed) return result;
  return literal == c ? Match::kYes : Match::kNo;
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view text) {
  // Where to go on when the last star has to take one more character; that star alone is enough to come back to.
  std::optional<std::string_view> after_star;
  std::string_view star_text;
  while (true) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      after_star = pattern;
      star_text = text;
      continue;
    }
    if (pattern.empty() && text.empty()) return true;
    if (!pattern.empty() && !text.empty()) {
      const Match result = match_one(pattern, text.front());
      if (result == Match::kMalformed) return false;
      if (result == Match::kYes) {
        text.remove_prefix(1);
        continue;
      }
    }
    if (!after_star || star_text.empty() || star_text.front() == '/') return false;
    star_text.remove_prefix(1);
    text = star_text;
    pattern = *after_star;
  }
}

// ---- Times

namespace {

constexpr std::string_view kDigits = "0123456789";

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of(kDigits) == std::string_view::npos;
}

std::optional<base::Timestamp> parse_unix_time(std::string_view text) {
  const std::size_t point = std::min(text.find('.'), text.size());
  std::string fraction(text.substr(std::min(point + 1, text.size())));
  if (!is_number(text.substr(0, point)) || fraction.size() > 9) return std::nullopt;
  if (point < text.size() && !is_number(fraction)) return std::nullopt;
  fraction.resize(9, '0');
  const auto seconds = base::parse_unsigned(text.substr(0, point));
  constexpr unsigned long long kMaxSeconds = 9'000'000'000;
  if (!seconds || *seconds > kMaxSeconds) return std::nullopt;
  return base::Timestamp(std::chrono::seconds(static_cast<std::int64_t>(*seconds)) +
                         std::chrono::nanoseconds(static_cast<std::int64_t>(*base::parse_unsigned(fraction))));
}

std::optional<base::Timestamp> parse_date(std::string_view text) {
  constexpr std::size_t kDateLength = 10;
  if (text.size() < kDateLength) return std::nullopt;
  std::string_view clock = text.substr(kDateLength);
  std::string offset = "Z";
  if (const std::size_t at = clock.find_first_of("Zz+-"); at != std::string_view::npos) {
    offset = clock.substr(at);
    clock = clock.substr(0, at);
  }
  std::string full(text.substr(0, kDateLength));
  full += clock.empty() ? std::string_view("T00:00:00") : clock;
  if (clock.size() == 3) full += ":00:00";
  if (clock.size() == 6) full += ":00";
  return base::parse_rfc3339(full + offset);
}

}  // namespace

std::optional<base::Timestamp> parse_time_value(std::string_view text, base::Timestamp now) {
  if (const auto duration = base::parse_duration(text)) {
    // `now` lies after the epoch: only what is taken away from it in the negative can leave the range.
    const bool fits = *duration >= std::chrono::nanoseconds(0) ||
                      -*duration <= std::chrono::nanoseconds::max() - now.time_since_epoch();
    return fits ? std::optional(now - *duration) : std::nullopt;
  }
  if (const auto time = parse_unix_time(text)) return time;
  return parse_date(text);
}

}  // namespace lighterd::api
