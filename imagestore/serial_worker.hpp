// SPDX-License-Identifier: Apache-2.0
// Work that is done in order on a thread of its own, beside the one that gives it: hashing beside reading and writing.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <stop_token>
#include <thread>

#include "base/synchronized.hpp"

namespace lighterd::imagestore {

// add() and wait() belong to one thread. What a piece of work refers to must outlive the worker.
class SerialWorker {
 public:
  // At most max_pending pieces wait or run; the thread begins with the first.
  explicit SerialWorker(std::size_t max_pending) : max_pending_(max_pending) {}
  // Drops what has not begun, and waits for what runs.
  ~SerialWorker();
  SerialWorker(const SerialWorker&) = delete;
  SerialWorker& operator=(const SerialWorker&) = delete;

  // Waits while there are too many. Throws what an earlier piece threw; after that none is run any more.
  void add(std::function<void()> work);
  // Until all is done. Throws as add().
  void wait();

 private:
  struct State {
    std::deque<std::function<void()>> pending;  // the first is the one that runs
    std::exception_ptr error;
  };

  void run(const std::stop_token& stop) noexcept;
  void finish_first(std::exception_ptr error);

  const std::size_t max_pending_;
  base::Synchronized<State> state_;
  std::condition_variable_any changed_;
  std::jthread thread_;  // last: it ends first
};

}  // namespace lighterd::imagestore
