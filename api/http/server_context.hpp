// SPDX-License-Identifier: Apache-2.0
// What the parts of one server share.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "api/http/server.hpp"
#include "api/http/worker_pool.hpp"
#include "base/log.hpp"

namespace lighterd::api {

// Thread-safe.
class ConnectionCounter {
 public:
  void add() { count_.fetch_add(1, std::memory_order_relaxed); }
  void remove() {
    const std::lock_guard lock(mutex_);
    if (count_.fetch_sub(1, std::memory_order_relaxed) == 1) none_left_.notify_all();
  }
  std::size_t count() const { return count_.load(std::memory_order_relaxed); }
  // False when some are left after the timeout.
  bool wait_for_none(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    return none_left_.wait_for(lock, timeout, [&] { return count() == 0; });
  }
  void wait_for_none() {
    std::unique_lock lock(mutex_);
    none_left_.wait(lock, [&] { return count() == 0; });
  }

 private:
  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;
  std::condition_variable none_left_;
};

struct ServerContext {
  ServerContext(ServerOptions options_in, Dispatch dispatch_in, base::Logger& logger_in)
      : options(std::move(options_in)),
        dispatch(std::move(dispatch_in)),
        logger(logger_in),
        workers(options.max_workers) {}

  const ServerOptions options;
  const Dispatch dispatch;
  base::Logger& logger;
  ConnectionCounter connections;
  std::atomic<bool> draining{false};  // no connection is kept alive any more
  WorkerPool workers;
};

}  // namespace lighterd::api
