// SPDX-License-Identifier: Apache-2.0
// Threads for handlers that block. Grows with the work up to a cap and shrinks when idle; work beyond the cap
// waits its turn.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

namespace lighterd::api {

class WorkerPool {
 public:
  explicit WorkerPool(std::size_t max_workers) : max_workers_(max_workers) {}
  ~WorkerPool() { stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Never blocks. The task must not throw. Throws kUnavailable when there is no thread at all and none can be
  // started, or after stop().
  void submit(std::function<void()> task);

  // Runs what is queued, then joins every thread.
  void stop();

 private:
  void start_worker();  // with the mutex held
  void work();
  void join_finished();  // with the mutex held
  static void* enter(void* pool);

  const std::size_t max_workers_;
  std::mutex mutex_;
  std::condition_variable work_available_;
  std::condition_variable worker_left_;
  std::deque<std::function<void()>> queue_;
  std::vector<pthread_t> finished_;  // left, not joined yet
  std::size_t workers_ = 0;
  std::size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace lighterd::api
