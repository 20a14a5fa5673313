// SPDX-License-Identifier: Apache-2.0
#include "api/registry/htpasswd_queue.hpp"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "api/registry/registry_fault.hpp"
#include "base/error.hpp"

namespace lighterd::api::registry {
namespace {

constexpr std::size_t kMaxWaiting = 32;
constexpr std::size_t kMaxSharing = 256;
constexpr const char* kRetryAfterSeconds = "1";

void require_going_on(bool goes_on) {
  if (!goes_on) throw base::Error(base::ErrorCode::kCancelled, "cancelled while waiting for a login");
}

void require_room(std::size_t used, std::size_t limit) {
  if (used < limit) return;
  RegistryFault::Headers headers;
  headers.emplace_back("Retry-After", kRetryAfterSeconds);
  throw RegistryFault(429, FaultEntry{FaultCode::kTooManyRequests, "too many logins at a time"}, std::move(headers));
}

}  // namespace

// Guarded by the lock of the state. Over without a result: whoever made it was cancelled or failed.
struct HtpasswdQueue::Check {
  bool is_over = false;
  std::optional<bool> result;
};

HtpasswdQueue::Limits HtpasswdQueue::default_limits() {
  return {std::max(1U, std::thread::hardware_concurrency() / 2), kMaxWaiting, kMaxSharing};
}

HtpasswdQueue::Place HtpasswdQueue::find_place(const std::string& login) {
  auto state = state_.lock();
  if (const auto known = state->checks.find(login); known != state->checks.end()) {
    require_room(state->sharing, limits_.sharing);
    ++state->sharing;
    return {known->second, true};
  }
  require_room(state->running + state->waiting.size(), limits_.running + limits_.waiting);
  const auto check = std::make_shared<Check>();
  const auto added = state->checks.emplace(login, check).first;
  try {
    state->waiting.push_back(check.get());
  } catch (...) {
    state->checks.erase(added);
    throw;
  }
  return {check, false};
}

void HtpasswdQueue::wait_for_turn(const Check& check, const std::stop_token& stop) {
  auto state = state_.lock();
  const bool has_turn =
      state.wait(changed_, stop, [&] { return state->waiting.front() == &check && state->running < limits_.running; });
  if (has_turn) ++state->running;
  std::erase(state->waiting, &check);
  changed_.notify_all();
  require_going_on(has_turn);
}

void HtpasswdQueue::wait_for_result(const Check& check, const std::stop_token& stop) {
  auto state = state_.lock();
  const bool is_over = state.wait(changed_, stop, [&] { return check.is_over; });
  --state->sharing;
  require_going_on(is_over);
}

void HtpasswdQueue::finish(const std::string& login, Check& check) {
  auto state = state_.lock();
  check.is_over = true;
  state->checks.erase(login);
  changed_.notify_all();
}

bool HtpasswdQueue::run(Check& check, const std::function<bool()>& matches, const std::stop_token& stop) {
  wait_for_turn(check, stop);
  const base::Finally leave([this] {
    --state_.lock()->running;
    changed_.notify_all();
  });
  const bool result = matches();
  const auto state = state_.lock();
  check.result = result;
  return result;
}

bool HtpasswdQueue::check(const std::string& login, const std::function<bool()>& matches, const std::stop_token& stop) {
  for (;;) {
    require_going_on(!stop.stop_requested());
    const Place place = find_place(login);
    if (!place.is_shared) {
      const base::Finally end([&] { finish(login, *place.check); });
      return run(*place.check, matches, stop);
    }
    wait_for_result(*place.check, stop);
    if (place.check->result) return *place.check->result;
  }
}

}  // namespace lighterd::api::registry
