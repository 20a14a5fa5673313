// SPDX-License-Identifier: Apache-2.0
// Data that is reachable only while its lock is held. Never do I/O, call out, or take a second lock inside.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <utility>

namespace lighterd::base {

template <typename T>
class Synchronized {
 public:
  template <typename... Args>
  explicit Synchronized(Args&&... args) : data_(std::forward<Args>(args)...) {}

  class Locked {
   public:
    T* operator->() { return &owner_.data_; }
    T& operator*() { return owner_.data_; }

    // Releases the lock while waiting; returns whether the condition holds (false: stop was requested).
    template <typename Predicate>
    bool wait(std::condition_variable_any& condition, const std::stop_token& stop, Predicate predicate) {
      return condition.wait(lock_, stop, predicate);
    }
    template <typename Clock, typename Duration, typename Predicate>
    bool wait_until(std::condition_variable_any& condition, const std::stop_token& stop,
                    const std::chrono::time_point<Clock, Duration>& deadline, Predicate predicate) {
      return condition.wait_until(lock_, stop, deadline, predicate);
    }

   private:
    friend class Synchronized;
    explicit Locked(Synchronized& owner) : owner_(owner), lock_(owner.mutex_) {}
    Synchronized& owner_;
    std::unique_lock<std::mutex> lock_;
  };

  Locked lock() { return Locked(*this); }

 private:
  std::mutex mutex_;
  T data_;
};

}  // namespace lighterd::base
