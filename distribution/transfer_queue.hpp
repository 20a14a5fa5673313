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
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/synchronized.hpp"
#include "distribution/blob_arrival.hpp"
#include "distribution/retry.hpp"

namespace lighterd::distribution {

class TransferQueue;

class RegistryClient;

// What a transfer fetches through: the clients of its watchers, each with credentials of its own. Thread-safe.
class TransferSources {
 public:
  using Client = std::shared_ptr<RegistryClient>;

  // The one to use now; null if the transfer was joined without any.
  Client current();
  // `failed` did not do. Whether there is another identity that did not fail since the last call that returned false.
  bool advance(const Client& failed);
  // Whether a client of that identity was added, now or before.
  bool knows(const std::string& identity) const;
  // Whether a client of that identity was ever used.
  bool was_tried(const std::string& identity) const;

 private:
  friend class TransferQueue;
  struct State {
    std::vector<Client> clients;
    std::size_t current = 0;
    std::set<std::string> failed;  // identities, in this round
    std::set<std::string> tried;
    std::set<std::string> known;
  };
  void add(Client client);
  void remove(const Client& client);  // the last one stays

  mutable base::Synchronized<State> state_;
};

// What a watcher sees of one transfer. Thread-safe.
class Transfer {
 public:
  enum class State { kWaiting, kRunning, kDone, kFailed };

  State state() const { return state_.load(std::memory_order_acquire); }
  bool has_ended() const { return state() == State::kDone || state() == State::kFailed; }
  std::int64_t current_bytes() const { return current_bytes_.load(std::memory_order_relaxed); }
  // For the work itself: how far it is.
  void set_current_bytes(std::int64_t bytes) { current_bytes_.store(bytes, std::memory_order_relaxed); }
  TransferSources& sources() { return sources_; }
  // Of a blob that is fetched: what can be read of it already.
  BlobArrival& arrival() { return arrival_; }

  // For the work: it waits, and why. Shown until the deadline.
  struct Wait {
    std::string reason;
    std::chrono::steady_clock::time_point deadline;
  };
  void set_wait(const RetryNotice& notice);
  std::optional<Wait> find_wait() const;

  // Whether it fetches with other credentials only, or from another repository (RegistryClient::identity).
  bool is_foreign(const std::string& identity) const { return !sources_.knows(identity); }
  bool has_tried(const std::string& identity) const { return sources_.was_tried(identity); }

  // Throws a copy of what the work threw, once the state is kFailed.
  void rethrow() const;

 private:
  friend class TransferQueue;
  std::atomic<State> state_ = State::kWaiting;
  std::atomic<std::int64_t> current_bytes_ = 0;
  std::function<void()> rethrow_;  // written before the state becomes kFailed
  TransferSources sources_;
  BlobArrival arrival_;
  mutable base::Synchronized<std::optional<Wait>> wait_;
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
  // Adds a client that may fetch it as well, until the watch goes; a transfer that waits for its host may then run by
  // this one. Once.
  void contribute(const std::string& host, TransferSources::Client client);

 private:
  friend class TransferQueue;
  TransferQueue* queue_ = nullptr;
  std::string key_;
  std::shared_ptr<Transfer> transfer_;
  TransferSources::Client source_;
  bool leader_ = false;
};

// Thread-safe. Every watch must be gone before the queue is.
class TransferQueue {
 public:
  explicit TransferQueue(std::size_t max_running_per_host);
  ~TransferQueue();  // cancels, and joins every thread

  // The work runs on a thread of the queue, once, and owns what it captured until it returned. `source` is what a new
  // transfer fetches through; to one that is under way it is contributed when it has been authorised. Does not wait for
  // transfers, but joins the threads of those that have ended.
  Watch join(const std::string& key, const std::string& host, TransferWork work,
             TransferSources::Client source = nullptr);

  // Returns when some transfer changed its state since the call with the result passed in `seen` (0 at first), at the
  // deadline, or when stop is requested.
  std::uint64_t wait_for_change(std::uint64_t seen, std::chrono::steady_clock::time_point deadline,
                                const std::stop_token& stop);

 private:
  friend class Watch;
  void leave(const Watch& watch) noexcept;
  void contribute(Watch& watch, const std::string& host, TransferSources::Client client);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lighterd::distribution
