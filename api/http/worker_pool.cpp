// SPDX-License-Identifier: Apache-2.0
#include "api/http/worker_pool.hpp"

#include <chrono>
#include <utility>

#include "base/error.hpp"

namespace lighterd::api {
namespace {

constexpr std::chrono::seconds kIdleExit{10};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStackBytes = 2 * 1024 * 1024;  // the sanitizers' frames are larger
#else
constexpr std::size_t kStackBytes = 256 * 1024;
#endif

}  // namespace

void WorkerPool::submit(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (stopping_) throw base::Error(base::ErrorCode::kUnavailable, "the server is stopping");
  queue_.push_back(std::move(task));
  if (idle_ >= queue_.size()) {
    work_available_.notify_one();
  } else if (workers_ < max_workers_) {
    start_worker();
  }
}

void WorkerPool::start_worker() {
  join_finished();
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_t thread;
  const int error = pthread_create(&thread, &attributes, &WorkerPool::enter, this);
  pthread_attr_destroy(&attributes);
  if (error == 0) {
    ++workers_;
  } else if (workers_ == 0) {
    queue_.pop_back();
    throw base::Error(base::ErrorCode::kUnavailable, "cannot start a thread");
  }
}

void* WorkerPool::enter(void* pool) {
  pthread_setname_np(pthread_self(), "worker");
  static_cast<WorkerPool*>(pool)->work();
  return nullptr;
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (queue_.empty()) {
      if (stopping_) break;
      ++idle_;
      const bool woken = work_available_.wait_for(lock, kIdleExit, [&] { return !queue_.empty() || stopping_; });
      --idle_;
      if (!woken) break;
      continue;
    }
    std::function<void()> task = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
  finished_.push_back(pthread_self());
  --workers_;
  worker_left_.notify_all();
}

// What has put itself into the list needs the mutex no more once it is released: the joins are short.
void WorkerPool::join_finished() {
  for (const pthread_t thread : std::exchange(finished_, {})) pthread_join(thread, nullptr);
}

void WorkerPool::stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  work_available_.notify_all();
  worker_left_.wait(lock, [&] { return workers_ == 0; });
  const std::vector<pthread_t> threads = std::exchange(finished_, {});
  lock.unlock();
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
}

}  // namespace lighterd::api
