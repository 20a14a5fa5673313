// SPDX-License-Identifier: Apache-2.0
// A stop_token that is stopped after some time, besides when another one is: for work of many requests that somebody
// waits for.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <stop_token>
#include <thread>

namespace lighterd::distribution {

// For one thread; what the token was given to must have ended before this goes.
class TimeLimit {
 public:
  // Starts a thread; where none is to be had the time is not limited.
  TimeLimit(std::chrono::milliseconds limit, const std::stop_token& outer);

  std::stop_token token() const { return source_.get_token(); }
  bool has_passed() const { return has_passed_; }

 private:
  std::atomic<bool> has_passed_ = false;
  std::stop_source source_;
  std::stop_callback<std::function<void()>> outer_;
  std::jthread thread_;  // last: it ends first
};

}  // namespace lighterd::distribution
