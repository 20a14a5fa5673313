// SPDX-License-Identifier: Apache-2.0
// Points in time as image configs and the API write them: RFC 3339 in UTC with up to nine decimals.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace lighterd::base {

// Nanoseconds since the Unix epoch; reaches from 1677 to 2262.
using Timestamp = std::chrono::sys_time<std::chrono::nanoseconds>;

Timestamp now();

// Any offset; nothing if malformed or outside what Timestamp can hold.
std::optional<Timestamp> parse_rfc3339(std::string_view text);
// As Go's RFC3339Nano: trailing zeros of the fraction dropped, 'Z'.
std::string format_rfc3339(Timestamp time);

// As Go's ParseDuration: "1h30m", "1.5s", "-200ms", "0"; nothing if malformed or out of range.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

inline std::int64_t to_unix_seconds(Timestamp time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace lighterd::base
