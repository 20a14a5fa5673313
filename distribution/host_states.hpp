// SPDX-License-Identifier: Apache-2.0
// What hosts said about how often they want to be asked: Retry-After and the rate limits of registries
// (registry-protocol.md A10). Shared by all transfers of the daemon, kept in memory.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/log.hpp"
#include "base/synchronized.hpp"
#include "distribution/http_client.hpp"

namespace lighterd::distribution {

// "ratelimit-limit: 100;w=21600", "ratelimit-remaining: 97;w=21600", "docker-ratelimit-source: 192.0.2.1".
struct RateLimit {
  std::int64_t limit = 0;
  std::int64_t remaining = 0;
  std::chrono::seconds window{0};
  std::string source;
};
// Nothing unless both numbers are there and sound.
std::optional<RateLimit> find_rate_limit(const HttpResponse& response);

// Thread-safe. Hosts are named "https://host[:port]"; at most 1,000 are remembered.
class HostStates {
 public:
  using Clock = std::chrono::steady_clock;
  explicit HostStates(base::Logger& logger) : logger_(logger), hosts_() {}

  // Learns from the head of an answer. A 429 or 503 with Retry-After holds up everybody, for at most kLongestPatience.
  void note_answer(const std::string& host, const HttpResponse& response);
  bool has_answered(const std::string& host);
  // How long to leave it alone from now; zero if it may be asked.
  std::chrono::milliseconds pause_of(const std::string& host);
  std::map<std::string, RateLimit> rate_limits();

 private:
  struct Host {
    Clock::time_point not_before;
    std::optional<RateLimit> rate_limit;
  };
  void log_rate_limit(const std::string& host, const std::optional<RateLimit>& before, const RateLimit& now);

  base::Logger& logger_;
  base::Synchronized<std::map<std::string, Host>> hosts_;
};

}  // namespace lighterd::distribution
