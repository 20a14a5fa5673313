// SPDX-License-Identifier: Apache-2.0
#include "distribution/transfer_queue.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <vector>

#include "base/error.hpp"

namespace lighterd::distribution {
namespace {

using namespace std::chrono_literals;

// Work that waits until it is let go or stopped, and counts.
class Gate {
 public:
  TransferWork work() {
    return [this](Transfer& transfer, std::stop_token stop) {
      transfer.set_current_bytes(7);
      std::unique_lock lock(mutex_);
      ++running_;
      most_ = std::max(most_, running_);
      ++started_;
      changed_.notify_all();
      changed_.wait(lock, stop, [&] { return open_; });
      --running_;
      if (stop.stop_requested()) ++stopped_;
      changed_.notify_all();
    };
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  bool wait_until_started(int count) {
    return wait([&] { return started_ >= count; });
  }
  bool wait_until_stopped(int count) {
    return wait([&] { return stopped_ >= count; });
  }
  int started() {
    const std::lock_guard lock(mutex_);
    return started_;
  }
  int most_at_once() {
    const std::lock_guard lock(mutex_);
    return most_;
  }

 private:
  template <typename Predicate>
  bool wait(Predicate predicate) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, predicate);
  }
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool open_ = false;
  int running_ = 0;
  int most_ = 0;
  int started_ = 0;
  int stopped_ = 0;
};

bool wait_until_ended(TransferQueue& queue, const Watch& watch) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  std::uint64_t seen = 0;
  while (!watch->has_ended() && std::chrono::steady_clock::now() < deadline)
    seen = queue.wait_for_change(seen, deadline, {});
  return watch->has_ended();
}

TEST(TransferQueueTest, OneKeyIsOneTransferForAllItsWatchers) {
  Gate gate;
  TransferQueue queue(3);
  auto first = queue.join("blob", "host", gate.work());
  auto second = queue.join("blob", "host", gate.work());
  EXPECT_TRUE(first.is_leader());
  EXPECT_FALSE(second.is_leader());
  ASSERT_TRUE(gate.wait_until_started(1));
  gate.open();
  EXPECT_TRUE(wait_until_ended(queue, first));
  EXPECT_EQ(second->state(), Transfer::State::kDone);
  EXPECT_EQ(second->current_bytes(), 7);
  EXPECT_EQ(gate.started(), 1);
}

TEST(TransferQueueTest, GoesOnWhenTheFirstLeavesAndStopsWithTheLast) {
  Gate gate;
  TransferQueue queue(3);
  auto first = queue.join("blob", "host", gate.work());
  auto second = queue.join("blob", "host", gate.work());
  ASSERT_TRUE(gate.wait_until_started(1));
  first = Watch();
  EXPECT_EQ(second->state(), Transfer::State::kRunning);
  second = Watch();
  EXPECT_TRUE(gate.wait_until_stopped(1));
}

TEST(TransferQueueTest, WhoComesAfterACancelledTransferStartsAfresh) {
  Gate gate;
  TransferQueue queue(3);
  auto first = queue.join("blob", "host", gate.work());
  ASSERT_TRUE(gate.wait_until_started(1));
  first = Watch();
  auto second = queue.join("blob", "host", gate.work());
  EXPECT_TRUE(second.is_leader());
  gate.open();
  EXPECT_TRUE(wait_until_ended(queue, second));
  EXPECT_EQ(second->state(), Transfer::State::kDone);
}

TEST(TransferQueueTest, LimitsEachHostAloneAndDropsWhatNobodyWaitsFor) {
  Gate slow;
  Gate other;
  TransferQueue queue(2);
  std::vector<Watch> watches;
  for (int i = 0; i < 5; ++i) watches.push_back(queue.join("slow " + std::to_string(i), "slow", slow.work()));
  auto fast = queue.join("fast", "fast", other.work());
  EXPECT_TRUE(other.wait_until_started(1));  // although the other host is at its limit
  ASSERT_TRUE(slow.wait_until_started(2));
  EXPECT_EQ(watches[4]->state(), Transfer::State::kWaiting);
  watches.erase(watches.begin() + 3);
  slow.open();
  other.open();
  for (const auto& watch : watches) EXPECT_TRUE(wait_until_ended(queue, watch));
  EXPECT_EQ(slow.most_at_once(), 2);
  EXPECT_EQ(slow.started(), 4);
}

TEST(TransferQueueTest, AWaitingTransferRunsByTheHostOfALaterWatcher) {
  Gate slow;
  Gate wanted;
  TransferQueue queue(1);
  const auto running = queue.join("slow", "slow", slow.work());
  ASSERT_TRUE(slow.wait_until_started(1));
  const auto first = queue.join("blob", "slow", wanted.work());
  EXPECT_EQ(first->state(), Transfer::State::kWaiting);
  auto second = queue.join("blob", "fast", wanted.work());
  EXPECT_EQ(first->state(), Transfer::State::kWaiting);
  second.contribute("fast", nullptr);
  ASSERT_TRUE(wanted.wait_until_started(1));
  wanted.open();
  EXPECT_TRUE(wait_until_ended(queue, first));
  EXPECT_FALSE(running->has_ended());
}

TEST(TransferQueueTest, EveryWatcherLearnsTheFailure) {
  TransferQueue queue(1);
  auto watch = queue.join("blob", "host",
                          [](Transfer&, std::stop_token) { throw base::Error(base::ErrorCode::kNotFound, "gone"); });
  ASSERT_TRUE(wait_until_ended(queue, watch));
  EXPECT_EQ(watch->state(), Transfer::State::kFailed);
  EXPECT_THROW(watch->rethrow(), base::Error);
}

TEST(TransferQueueTest, WaitingEndsAtTheDeadlineAndOnStop) {
  TransferQueue queue(1);
  EXPECT_EQ(queue.wait_for_change(0, std::chrono::steady_clock::now() + 1ms, {}), 0U);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(queue.wait_for_change(0, std::chrono::steady_clock::now() + 1h, stop.get_token()), 0U);
}

TEST(TransferQueueTest, ItsEndStopsWhatRuns) {
  Gate gate;
  Watch watch;
  auto queue = std::make_unique<TransferQueue>(1);
  watch = queue->join("blob", "host", gate.work());
  ASSERT_TRUE(gate.wait_until_started(1));
  watch = Watch();
  queue.reset();
  EXPECT_TRUE(gate.wait_until_stopped(1));
}

}  // namespace
}  // namespace lighterd::distribution
