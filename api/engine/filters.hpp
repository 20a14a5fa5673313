// SPDX-License-Identifier: Apache-2.0
// The `filters` parameter (engine-api.md section 1.4), and the two kinds of values that need reading: shell patterns
// and times.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace lighterd::api {

class Filters {
 public:
  // {"k":{"v":true}} or {"k":["v"]}; nothing in it if empty. kInvalidArgument "invalid filter".
  static Filters parse(std::string_view json);

  void add(std::string key, std::string value);
  void remove(std::string_view key);
  // kInvalidArgument "invalid filter 'k'" for any other key.
  void require_known(std::initializer_list<std::string_view> keys) const;

  bool has(std::string_view key) const { return values_.find(key) != values_.end(); }
  std::vector<std::string> values(std::string_view key) const;
  // Nothing if the key is absent; kInvalidArgument "invalid filter 'k=[a b]'" unless its values say one thing.
  std::optional<bool> find_bool(std::string_view key) const;

 private:
  // The map form may say false of a value, which only find_bool looks at.
  using Value = std::pair<std::string, bool>;
  std::map<std::string, std::vector<Value>, std::less<>> values_;
};

// Go's path.Match: '*' and '?' do not cross '/', [a-z] and [^a-z], backslash escapes. A malformed pattern matches
// nothing. Time is bounded by the product of the lengths.
bool matches_pattern(std::string_view pattern, std::string_view text);

// A Go duration before `now` ("1h30m"), seconds since the epoch ("1700000000.5") or RFC 3339, also cut short after the
// date, the hour or the minute or without offset, which is UTC then.
std::optional<base::Timestamp> parse_time_value(std::string_view text, base::Timestamp now);

}  // namespace lighterd::api
