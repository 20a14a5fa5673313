// SPDX-License-Identifier: Apache-2.0
#include "oci/signal_name.hpp"

#include <algorithm>
#include <array>

#include "base/encoding.hpp"

namespace lighterd::oci {
namespace {

constexpr std::array<std::string_view, 36> kNames = {
    "abrt", "alrm", "bus",  "chld", "cld",  "cont", "fpe",    "hup",    "ill",  "int",  "io",    "iot",
    "kill", "pipe", "poll", "prof", "pwr",  "quit", "segv",   "stkflt", "stop", "sys",  "term",  "trap",
    "tstp", "ttin", "ttou", "urg",  "usr1", "usr2", "vtalrm", "winch",  "xcpu", "xfsz", "rtmin", "rtmax"};

// The real-time signals are counted up from the first and down from the last.
bool is_real_time(std::string_view name) {
  const bool is_up = name.starts_with("rtmin+");
  if (!is_up && !name.starts_with("rtmax-")) return false;
  const auto distance = base::parse_unsigned(name.substr(6));
  return distance && *distance >= 1 && *distance <= (is_up ? 15 : 14);
}

}  // namespace

bool is_signal(std::string_view text) {
  if (const auto number = base::parse_unsigned(text)) return *number != 0;
  const std::string lower = base::to_lower(text);
  std::string_view name = lower;
  if (name.starts_with("sig")) name.remove_prefix(3);
  return std::ranges::find(kNames, name) != kNames.end() || is_real_time(name);
}

}  // namespace lighterd::oci
