// SPDX-License-Identifier: Apache-2.0
// Waits of an operation's requests as lines of its progress, from when the operation says so until it ends: its client
// may outlive it in a transfer that others watch.
#pragma once

#include <memory>

#include "base/synchronized.hpp"
#include "distribution/progress.hpp"
#include "distribution/retry.hpp"

namespace lighterd::distribution {

class RetryReporter {
 public:
  RetryReporter() : sink_(std::make_shared<base::Synchronized<ProgressSink*>>(nullptr)) {}
  ~RetryReporter() { *sink_->lock() = nullptr; }
  RetryReporter(const RetryReporter&) = delete;
  RetryReporter& operator=(const RetryReporter&) = delete;

  // Before it nothing is reported: the first line of an answer settles its status.
  void start(ProgressSink& sink) { *sink_->lock() = &sink; }
  // Thread-safe; may be called after this object has gone.
  RetryListener listener() const;

 private:
  std::shared_ptr<base::Synchronized<ProgressSink*>> sink_;
};

// "Retrying in 4 seconds (unexpected EOF)"
std::string retry_status(std::chrono::milliseconds delay, const std::string& reason);

}  // namespace lighterd::distribution
