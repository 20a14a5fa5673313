// SPDX-License-Identifier: Apache-2.0
// A RetryLoop for what grows: tries are available again once enough more has arrived. A server that drops every
// connection after a few bytes is given up like a silent one.
#pragma once

#include <cstdint>
#include <stop_token>

#include "distribution/retry.hpp"

namespace lighterd::distribution {

// Of one upload. Not thread-safe.
class UploadRetry {
 public:
  UploadRetry(const RetryPolicy& policy, std::int64_t least_progress_bytes, RetryListener listener)
      : loop_(policy, std::move(listener)), least_progress_bytes_(least_progress_bytes) {}

  // As in RetryLoop, inside the handler of `error`.
  void wait_or_rethrow(const base::Error& error, const std::stop_token& stop) { loop_.wait_or_rethrow(error, stop); }
  // The same where asking again differently may help, whatever the error is.
  void wait(const base::Error& error, const std::stop_token& stop);

  // So much is there by now.
  void note_received(std::int64_t bytes);

  template <typename Action>
  auto run(const Action& action, const std::stop_token& stop) {
    for (;;) {
      try {
        return action();
      } catch (const base::Error& error) {
        wait_or_rethrow(error, stop);
      }
    }
  }

 private:
  RetryLoop loop_;
  const std::int64_t least_progress_bytes_;
  std::int64_t counted_bytes_ = 0;
};

}  // namespace lighterd::distribution
