// SPDX-License-Identifier: Apache-2.0
#include "distribution/time_limit.hpp"

#include <condition_variable>
#include <mutex>
#include <system_error>

namespace lighterd::distribution {

TimeLimit::TimeLimit(std::chrono::milliseconds limit, const std::stop_token& outer)
    : outer_(outer, [this] { source_.request_stop(); }) {
  const auto watch = [this, limit](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, limit, [] { return false; });
    if (stop.stop_requested()) return;
    has_passed_ = true;
    source_.request_stop();
  };
  try {
    thread_ = std::jthread(watch);
  } catch (const std::system_error&) {
    return;
  }
}

}  // namespace lighterd::distribution
