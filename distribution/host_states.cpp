// SPDX-License-Identifier: Apache-2.0
#include "distribution/host_states.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "distribution/registry_error.hpp"
#include "distribution/retry.hpp"

namespace lighterd::distribution {
namespace {

constexpr std::size_t kMaxHosts = 1000;
constexpr std::size_t kMaxSourceBytes = 64;
// Below that share of the limit every change is worth a warning.
constexpr std::int64_t kLowShare = 10;

struct Quota {
  std::int64_t count;
  std::chrono::seconds window;
};

// "100;w=21600"
std::optional<Quota> parse_quota(const std::string* value) {
  if (value == nullptr) return std::nullopt;
  const std::size_t end = value->find(';');
  const auto count = base::parse_unsigned(base::trim(std::string_view(*value).substr(0, end)));
  if (!count || *count > 1'000'000'000) return std::nullopt;
  const std::size_t window = value->find("w=");
  const auto seconds = window == std::string::npos
                           ? std::nullopt
                           : base::parse_unsigned(base::trim(std::string_view(*value).substr(window + 2)));
  return Quota{static_cast<std::int64_t>(*count),
               std::chrono::seconds(seconds && *seconds < 1'000'000'000 ? *seconds : 0)};
}

}  // namespace

std::optional<RateLimit> find_rate_limit(const HttpResponse& response) {
  const auto limit = parse_quota(response.find_header("RateLimit-Limit"));
  const auto remaining = parse_quota(response.find_header("RateLimit-Remaining"));
  if (!limit || !remaining) return std::nullopt;
  const std::string* source = response.find_header("Docker-RateLimit-Source");
  return RateLimit{limit->count, remaining->count, limit->window,
                   source == nullptr ? "" : base::printable(*source, kMaxSourceBytes)};
}

void HostStates::note_answer(const std::string& host, const HttpResponse& response) {
  const auto limit = find_rate_limit(response);
  const auto pause = response.status == 429 || response.status == 503 ? find_retry_after(response) : std::nullopt;
  std::optional<RateLimit> before;
  {
    auto hosts = hosts_.lock();
    if (hosts->size() >= kMaxHosts && !hosts->contains(host)) hosts->erase(hosts->begin());
    Host& state = (*hosts)[host];
    before = state.rate_limit;
    if (limit) state.rate_limit = limit;
    if (pause) {
      const auto until = Clock::now() + std::min(*pause, std::chrono::seconds(kLongestPatience));
      state.not_before = std::max(state.not_before, until);
    }
  }
  if (limit) log_rate_limit(host, before, *limit);
  if (pause) {
    logger_.warn(
        "registry asks for a pause",
        {{"host", host}, {"status", std::to_string(response.status)}, {"seconds", std::to_string(pause->count())}});
  }
}

void HostStates::log_rate_limit(const std::string& host, const std::optional<RateLimit>& before, const RateLimit& now) {
  if (before && before->remaining == now.remaining && before->limit == now.limit) return;
  const std::string limit = std::to_string(now.remaining) + " of " + std::to_string(now.limit);
  const std::string window = std::to_string(now.window.count());
  if (now.remaining * kLowShare <= now.limit) {
    logger_.warn("registry's rate limit is nearly used up",
                 {{"host", host}, {"remaining", limit}, {"window_seconds", window}, {"source", now.source}});
  } else {
    logger_.info("registry's rate limit",
                 {{"host", host}, {"remaining", limit}, {"window_seconds", window}, {"source", now.source}});
  }
}

bool HostStates::has_answered(const std::string& host) {
  return hosts_.lock()->contains(host);
}

std::chrono::milliseconds HostStates::pause_of(const std::string& host) {
  auto hosts = hosts_.lock();
  const auto found = hosts->find(host);
  if (found == hosts->end()) return {};
  const auto left = found->second.not_before - Clock::now();
  return left > Clock::duration::zero() ? std::chrono::ceil<std::chrono::milliseconds>(left)
                                        : std::chrono::milliseconds(0);
}

std::map<std::string, RateLimit> HostStates::rate_limits() {
  std::map<std::string, RateLimit> limits;
  auto hosts = hosts_.lock();
  for (const auto& [name, host] : *hosts) {
    if (host.rate_limit) limits.emplace(name, *host.rate_limit);
  }
  return limits;
}

}  // namespace lighterd::distribution
