// SPDX-License-Identifier: Apache-2.0
// Transfers belong to the daemon, not to the request that asked first (design decision 4). A transfer has a key; who
// asks for a key that is already under way watches the same one. It ends when it is done or when its last watcher has
// left, which cancels it at once. Transfers of one host wait for each other beyond a limit; other hosts do not wait.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

namespace lighterd::distribution {

class TransferQueue;

// What a watcher sees of one transfer. Thread-safe.
class Transfer {
 public:
  enum class State { kWaiting, kRunning, kDone, kFailed };

  State state() const { return state_.load(std::memory_order_acquire); }
  bool has_ended() const { return state() == State::kDone || state() == State::kFailed; }
  std::int64_t current_bytes() const { return current_bytes_.load(std::memory_order_relaxed); }
  // For the work itself: how far it is.
  void set_current_bytes(std::int64_t bytes) { current_bytes_.store(bytes, std::memory_order_relaxed); }
  // Throws a copy of what the work threw, once the state is kFailed.
  void rethrow() const;

 private:
  friend class TransferQueue;
  std::atomic<State> state_ = State::kWaiting;
  std::atomic<std::int64_t> current_bytes_ = 0;
  std::function<void()> rethrow_;  // written before the state becomes kFailed
};

using TransferWork = std::function<void(Transfer& transfer, std::stop_token stop)>;

// Holding it is watching; letting it go is leaving.
class Watch {
 public:
  Watch() = default;
  Watch(Watch&&) noexcept = default;
  Watch& operator=(Watch&& other) noexcept;
  ~Watch();
  Transfer* operator->() const { return transfer_.get(); }
  explicit operator bool() const { return transfer_ != nullptr; }
  // Whether this watcher's work is the one that runs.
  bool is_leader() const { return leader_; }

 private:
  friend class TransferQueue;
  TransferQueue* queue_ = nullptr;
  std::string key_;
  std::shared_ptr<Transfer> transfer_;
  bool leader_ = false;
};

// Thread-safe. Every watch must be gone before the queue is.
class TransferQueue {
 public:
  explicit TransferQueue(std::size_t max_running_per_host);
  ~TransferQueue();  // cancels, and joins every thread

  // Never blocks. The work runs on a thread of the queue, once, and owns what it captured until it returned.
  Watch join(const std::string& key, const std::string& host, TransferWork work);

  // Returns when some transfer changed its state since the call with the result passed in `seen` (0 at first), at the
  // deadline, or when stop is requested.
  std::uint64_t wait_for_change(std::uint64_t seen, std::chrono::steady_clock::time_point deadline,
                                const std::stop_token& stop);

 private:
  friend class Watch;
  void leave(const std::string& key, const std::shared_ptr<Transfer>& transfer) noexcept;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lighterd::distribution
