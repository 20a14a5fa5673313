// SPDX-License-Identifier: Apache-2.0
// What happened to images: kept for a while for those who ask later, and handed to those who listen now
// (engine-api.md section 7, GET /events). Knows nothing of HTTP or of the store.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/synchronized.hpp"
#include "base/time.hpp"

namespace lighterd::api {

using Attributes = std::vector<std::pair<std::string, std::string>>;

// All of them are of the type "image" and the scope "local".
struct Event {
  std::string action;  // "pull"
  std::string actor_id;
  Attributes attributes;  // sorted by key, each once
  base::Timestamp time;

  const std::string* find_attribute(std::string_view key) const;  // null if absent
};

struct EventLogLimits {
  std::size_t replayed_events = 256;  // dockerd's number
  // How far a listener may fall behind; what it takes is memory of all, not of each listener.
  std::size_t kept_events = 4096;
  std::size_t kept_bytes = std::size_t{4} * 1024 * 1024;
  // Of one event; labels that do not fit are left out.
  std::size_t attribute_bytes = std::size_t{64} * 1024;
  // Each holds a worker of the server.
  std::size_t listeners = 128;
};

// Thread-safe. Outlives its listeners.
class EventLog {
 public:
  class Listener;

  explicit EventLog(EventLogLimits limits = {});

  // Now, and after all that were added before. Does not wait for listeners. Of several attributes with one key the last
  // counts.
  void add(std::string action, std::string actor_id, Attributes attributes);

  // Begins with the next event, or with those kept that are not older than `since`. kUnavailable when there are too
  // many already.
  Listener listen(const std::optional<base::Timestamp>& since);
  std::size_t listener_count();

  // Nothing comes any more: listeners end once they have taken what there is. For the daemon's stop.
  void close();

 private:
  // Every listener reads from one queue: each has only the number of the event that it takes next.
  struct State {
    std::deque<std::shared_ptr<const Event>> events;
    std::uint64_t first = 0;  // number of the event in front
    std::size_t bytes = 0;
    std::size_t listeners = 0;
    bool closed = false;

    std::uint64_t end() const { return first + events.size(); }
  };

  const EventLogLimits limits_;
  base::Synchronized<State> state_;
  std::condition_variable_any changed_;
};

// Of one thread.
class EventLog::Listener {
 public:
  Listener(Listener&& other) noexcept : log_(std::exchange(other.log_, nullptr)), next_(other.next_) {}
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  // Waits for the next event, until `deadline` if there is one; what is there already comes after the deadline too.
  // Null: the deadline has passed, stop was requested, or the log is closed. kResourceExhausted for a listener that has
  // fallen so far behind that it would miss events.
  std::shared_ptr<const Event> find_next(const std::optional<base::Timestamp>& deadline, const std::stop_token& stop);

 private:
  friend class EventLog;
  Listener(EventLog& log, std::uint64_t next) : log_(&log), next_(next) {}
  EventLog* log_;
  std::uint64_t next_;
};

}  // namespace lighterd::api
