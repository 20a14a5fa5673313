// SPDX-License-Identifier: Apache-2.0
#include "api/engine/event_log.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::string_view kNameKey = "name";

// Sorted by key; of equal keys the last stays, and of labels what fits.
void normalize(Attributes& attributes, std::size_t limit_bytes) {
  std::ranges::stable_sort(attributes, {}, &Attributes::value_type::first);
  std::size_t bytes = 0;
  Attributes kept;
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    auto& [key, value] = attributes[i];
    if (i + 1 < attributes.size() && attributes[i + 1].first == key) continue;
    const std::size_t size = key.size() + value.size();
    if (key != kNameKey && size > limit_bytes - std::min(bytes, limit_bytes)) continue;
    bytes += size;
    kept.emplace_back(std::move(key), std::move(value));
  }
  attributes = std::move(kept);
}

std::size_t memory_bytes(const Event& event) {
  std::size_t bytes = sizeof(Event) + event.action.size() + event.actor_id.size();
  for (const auto& [key, value] : event.attributes) bytes += sizeof(Attributes::value_type) + key.size() + value.size();
  return bytes;
}

}  // namespace

const std::string* Event::find_attribute(std::string_view key) const {
  const auto found = std::ranges::find(attributes, key, &Attributes::value_type::first);
  return found == attributes.end() ? nullptr : &found->second;
}

EventLog::EventLog(EventLogLimits limits) : limits_(limits) {}

void EventLog::add(std::string action, std::string actor_id, Attributes attributes) {
  normalize(attributes, limits_.attribute_bytes);
  const auto event = std::make_shared<Event>(
      Event{.action = std::move(action), .actor_id = std::move(actor_id), .attributes = {}, .time = {}});
  event->attributes = std::move(attributes);
  const std::size_t bytes = memory_bytes(*event);
  std::vector<std::shared_ptr<const Event>> dropped;  // destroyed after the lock is released
  {
    auto state = state_.lock();
    event->time = base::now();  // under the lock: the order of the times is that of the events
    state->events.push_back(event);
    state->bytes += bytes;
    while (state->events.size() > 1 &&
           (state->events.size() > limits_.kept_events || state->bytes > limits_.kept_bytes)) {
      state->bytes -= memory_bytes(*state->events.front());
      dropped.push_back(std::move(state->events.front()));
      state->events.pop_front();
      ++state->first;
    }
  }
  changed_.notify_all();
}

EventLog::Listener EventLog::listen(const std::optional<base::Timestamp>& since) {
  auto state = state_.lock();
  if (state->listeners >= limits_.listeners)
    throw Error(ErrorCode::kUnavailable, "too many clients listen to events already");
  std::uint64_t next = state->end();
  const auto is_replayed = [&] {
    return next > state->first && state->end() - next < limits_.replayed_events &&
           state->events[next - 1 - state->first]->time >= *since;
  };
  while (since && is_replayed()) --next;
  ++state->listeners;
  return {*this, next};
}

std::size_t EventLog::listener_count() {
  return state_.lock()->listeners;
}

void EventLog::close() {
  state_.lock()->closed = true;
  changed_.notify_all();
}

EventLog::Listener::~Listener() {
  if (log_ != nullptr) --log_->state_.lock()->listeners;
}

std::shared_ptr<const Event> EventLog::Listener::find_next(const std::optional<base::Timestamp>& deadline,
                                                           const std::stop_token& stop) {
  auto state = log_->state_.lock();
  const auto is_over = [&] { return next_ < state->end() || state->closed; };
  if (deadline) {
    state.wait_until(log_->changed_, stop, *deadline, is_over);
  } else {
    state.wait(log_->changed_, stop, is_over);
  }
  if (stop.stop_requested() || next_ >= state->end()) return nullptr;
  if (next_ < state->first)
    throw Error(ErrorCode::kResourceExhausted, "the client takes events too slowly: some are gone already");
  return state->events[next_++ - state->first];
}

}  // namespace lighterd::api
