// SPDX-License-Identifier: Apache-2.0
#include "api/engine/event_log.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/error.hpp"

namespace lighterd::tests {
namespace {

using api::Attributes;
using api::EventLog;

constexpr base::Timestamp kAll = base::Timestamp::min();

// What is there without a wait.
std::vector<std::string> take(EventLog::Listener& listener) {
  std::vector<std::string> ids;
  while (const auto event = listener.find_next(base::now(), {})) ids.push_back(event->actor_id);
  return ids;
}

void add_numbers(EventLog& log, int first, int last) {
  for (int i = first; i <= last; ++i) log.add("tag", std::to_string(i), {});
}

TEST(EventLog, ListenersHearWhatComesAfterThem) {
  EventLog log;
  log.add("pull", "before", {});
  auto first = log.listen({});
  log.add("tag", "a", {{"name", "n"}});
  auto second = log.listen({});
  log.add("untag", "b", {});
  EXPECT_EQ(take(second), std::vector<std::string>{"b"});
  const auto event = first.find_next(base::now(), {});
  ASSERT_TRUE(event);
  EXPECT_EQ(event->action, "tag");
  EXPECT_EQ(event->actor_id, "a");
  EXPECT_EQ(event->attributes, (Attributes{{"name", "n"}}));
  EXPECT_LE(event->time, base::now());
  EXPECT_EQ(take(first), std::vector<std::string>{"b"});
}

TEST(EventLog, ReplaysTheLast256FromATimeOn) {
  EventLog log;
  add_numbers(log, 1, 300);
  auto all = log.listen(kAll);
  const auto ids = take(all);
  ASSERT_EQ(ids.size(), 256u);
  EXPECT_EQ(ids.front(), "45");
  EXPECT_EQ(ids.back(), "300");
  while (base::now() == base::now()) {
  }
  const auto later = base::now();
  add_numbers(log, 301, 302);
  auto some = log.listen(later);
  EXPECT_EQ(take(some), (std::vector<std::string>{"301", "302"}));
}

TEST(EventLog, AttributesAreSortedAndOneEach) {
  EventLog log;
  log.add("pull", "x", {{"z", "1"}, {"name", "label"}, {"a", "2"}, {"name", "name"}});
  auto listener = log.listen(kAll);
  EXPECT_EQ(listener.find_next(base::now(), {})->attributes, (Attributes{{"a", "2"}, {"name", "name"}, {"z", "1"}}));
}

TEST(EventLog, LabelsThatAreTooLargeAreLeftOut) {
  EventLog log({.attribute_bytes = 100});
  log.add("pull", "x", {{"a", std::string(60, 'a')}, {"b", std::string(60, 'b')}, {"c", "c"}, {"name", "n"}});
  auto listener = log.listen(kAll);
  EXPECT_EQ(listener.find_next(base::now(), {})->attributes,
            (Attributes{{"a", std::string(60, 'a')}, {"c", "c"}, {"name", "n"}}));
}

TEST(EventLog, AListenerThatIsTooSlowIsTurnedAway) {
  EventLog log({.replayed_events = 2, .kept_events = 4});
  auto slow = log.listen({});
  auto quick = log.listen({});
  add_numbers(log, 1, 4);
  EXPECT_EQ(take(quick).size(), 4u);
  add_numbers(log, 5, 5);
  EXPECT_EQ(take(quick), std::vector<std::string>{"5"});
  try {
    slow.find_next(base::now(), {});
    FAIL() << "it missed an event";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kResourceExhausted);
  }
}

TEST(EventLog, MemoryIsBoundedByBytes) {
  EventLog log({.kept_bytes = 10'000, .attribute_bytes = 1000});
  for (int i = 1; i <= 100; ++i) log.add("pull", std::to_string(i), {{"name", std::string(900, 'x')}});
  auto listener = log.listen(kAll);
  const auto ids = take(listener);
  EXPECT_LT(ids.size(), 11u);
  EXPECT_GT(ids.size(), 5u);
  EXPECT_EQ(ids.back(), "100");
}

TEST(EventLog, CountsItsListenersAndHasOnlySoMany) {
  EventLog log({.listeners = 2});
  EXPECT_EQ(log.listener_count(), 0u);
  {
    auto first = log.listen({});
    auto second = log.listen({});
    EXPECT_EQ(log.listener_count(), 2u);
    EXPECT_THROW(log.listen({}), base::Error);
  }
  EXPECT_EQ(log.listener_count(), 0u);
  log.listen({});
}

TEST(EventLog, AWaitEndsWithAnEventStopCloseOrDeadline) {
  EventLog log;
  auto listener = log.listen({});
  EXPECT_FALSE(listener.find_next(base::now() + std::chrono::milliseconds(1), {}));
  {
    const std::jthread adder([&] { log.add("tag", "x", {}); });
    EXPECT_TRUE(listener.find_next({}, {}));
  }
  std::stop_source stop;
  {
    const std::jthread stopper([&] { stop.request_stop(); });
    EXPECT_FALSE(listener.find_next({}, stop.get_token()));
  }
  log.add("tag", "last", {});
  {
    const std::jthread closer([&] { log.close(); });
    EXPECT_EQ(listener.find_next({}, {})->actor_id, "last");
    EXPECT_FALSE(listener.find_next({}, {}));
  }
  EXPECT_FALSE(log.listen({}).find_next({}, {}));
}

TEST(EventLog, EveryListenerHearsAllOfAllThreadsInOneOrder) {
  EventLog log;
  constexpr int kThreads = 4;
  constexpr int kEach = 200;
  std::vector<EventLog::Listener> listeners;
  for (int i = 0; i < 3; ++i) listeners.push_back(log.listen({}));
  std::vector<std::vector<std::string>> heard(listeners.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < listeners.size(); ++i)
      threads.emplace_back([&, i] {
        while (heard[i].size() < kThreads * kEach) heard[i].push_back(listeners[i].find_next({}, {})->actor_id);
      });
    for (int i = 0; i < kThreads; ++i)
      threads.emplace_back([&log, i] { add_numbers(log, i * kEach, (i + 1) * kEach - 1); });
  }
  EXPECT_EQ(heard[0], heard[1]);
  EXPECT_EQ(heard[1], heard[2]);
}

}  // namespace
}  // namespace lighterd::tests
