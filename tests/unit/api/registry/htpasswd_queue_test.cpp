// SPDX-License-Identifier: Apache-2.0
// Who checks, who waits, who shares, who is sent away. A refused one is the sign that the others have their places.
#include "api/registry/htpasswd_queue.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "api/registry/registry_fault.hpp"
#include "base/error.hpp"

namespace lighterd::api::registry {
namespace {

enum class End { kRight, kWrong, kRefused, kCancelled, kFailed };

class HtpasswdQueueTest : public testing::Test {
 protected:
  // A check by a thread of its own.
  std::future<End> check(HtpasswdQueue& queue, const std::string& login, std::function<bool()> matches) {
    std::packaged_task<End()> task([this, &queue, login, matches = std::move(matches)] {
      const End end = outcome(queue, login, matches);
      if (end == End::kRefused) ++refused_;
      refused_.notify_all();
      return end;
    });
    auto future = task.get_future();
    threads_.emplace_back(std::move(task));
    return future;
  }

  // Runs until `release_`.
  std::future<End> hold(HtpasswdQueue& queue, const std::string& login, bool result = true) {
    std::promise<void> started;
    auto is_running = started.get_future();
    auto end = check(queue, login, [this, result, signal = std::make_shared<std::promise<void>>(std::move(started))] {
      signal->set_value();
      released_.wait();
      return result;
    });
    is_running.wait();
    return end;
  }

  void release() { release_.set_value(); }

  void wait_for_refused(int count) {
    for (int now = refused_; now < count; now = refused_) refused_.wait(now);
  }

  End outcome(HtpasswdQueue& queue, const std::string& login, const std::function<bool()>& matches) {
    try {
      return queue.check(login, matches, stop_.get_token()) ? End::kRight : End::kWrong;
    } catch (const RegistryFault& fault) {
      return fault.status() == 429 ? End::kRefused : End::kFailed;
    } catch (const base::Error& error) {
      return error.code() == base::ErrorCode::kCancelled ? End::kCancelled : End::kFailed;
    } catch (const std::exception&) {
      return End::kFailed;
    }
  }

  static long count(std::vector<std::future<End>>& ends, End wanted) {
    long found = 0;
    for (auto& end : ends)
      if (end.get() == wanted) ++found;
    ends.clear();
    return found;
  }

  std::stop_source stop_;
  std::atomic<int> refused_{0};
  std::promise<void> release_;
  std::shared_future<void> released_ = release_.get_future().share();
  std::vector<std::jthread> threads_;
};

const auto kYes = [] { return true; };

TEST_F(HtpasswdQueueTest, SaysWhatTheCheckSays) {
  HtpasswdQueue queue({.running = 1, .waiting = 0, .sharing = 0});
  EXPECT_EQ(outcome(queue, "a", kYes), End::kRight);
  EXPECT_EQ(outcome(queue, "a", [] { return false; }), End::kWrong);
  EXPECT_EQ(outcome(queue, "a", []() -> bool { throw std::runtime_error("broken"); }), End::kFailed);
  EXPECT_EQ(outcome(queue, "a", kYes), End::kRight);
}

TEST_F(HtpasswdQueueTest, RunsSoManyAndLetsSoManyWait) {
  HtpasswdQueue queue({.running = 2, .waiting = 3, .sharing = 0});
  std::vector<std::future<End>> ends;
  ends.push_back(hold(queue, "a"));
  ends.push_back(hold(queue, "b"));
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  for (int i = 0; i < 7; ++i)
    ends.push_back(check(queue, std::to_string(i), [&] {
      const int now = ++running;
      for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
      }
      --running;
      return true;
    }));
  wait_for_refused(4);
  EXPECT_EQ(most, 0);
  release();
  EXPECT_EQ(count(ends, End::kRight), 5);
  EXPECT_EQ(refused_, 4);
  EXPECT_LE(most, 2);
}

TEST_F(HtpasswdQueueTest, OneCheckServesAllWhoWantTheSame) {
  for (const bool result : {true, false}) {
    release_ = {};
    released_ = release_.get_future().share();
    refused_ = 0;
    HtpasswdQueue queue({.running = 1, .waiting = 1, .sharing = 5});
    std::vector<std::future<End>> ends;
    ends.push_back(hold(queue, "a", result));
    for (int i = 0; i < 7; ++i)
      ends.push_back(check(queue, "a", [] {
        ADD_FAILURE() << "a second check";
        return true;
      }));
    wait_for_refused(2);
    release();
    EXPECT_EQ(count(ends, result ? End::kRight : End::kWrong), 6);
    EXPECT_EQ(outcome(queue, "a", kYes), End::kRight);
  }
}

TEST_F(HtpasswdQueueTest, WhoIsCancelledLeavesItsPlace) {
  HtpasswdQueue queue({.running = 1, .waiting = 1, .sharing = 0});
  auto held = hold(queue, "a");
  for (int round = 1; round <= 3; ++round) {
    std::vector<std::future<End>> ends;
    ends.push_back(check(queue, "b", kYes));
    ends.push_back(check(queue, "c", kYes));
    wait_for_refused(round);
    stop_.request_stop();
    EXPECT_EQ(count(ends, End::kCancelled), 1);
    stop_ = {};
  }
  auto next = check(queue, "b", kYes);
  release();
  EXPECT_EQ(next.get(), End::kRight);
  EXPECT_EQ(held.get(), End::kRight);
}

TEST_F(HtpasswdQueueTest, WhoSharedWithOneThatEndedWithoutAResultChecksForHimself) {
  HtpasswdQueue queue({.running = 1, .waiting = 1, .sharing = 1});
  std::promise<void> started;
  auto failing = check(queue, "a", [&]() -> bool {
    started.set_value();
    released_.wait();
    throw std::runtime_error("broken");
  });
  started.get_future().wait();
  std::vector<std::future<End>> ends;
  ends.push_back(check(queue, "a", kYes));
  ends.push_back(check(queue, "a", kYes));
  wait_for_refused(1);
  release();
  EXPECT_EQ(failing.get(), End::kFailed);
  EXPECT_EQ(count(ends, End::kRight), 1);
}

TEST_F(HtpasswdQueueTest, HasBoundsAndRunsAtLeastOne) {
  const auto limits = HtpasswdQueue::default_limits();
  EXPECT_GE(limits.running, 1u);
  EXPECT_GE(limits.sharing, 256u);
  EXPECT_LT(limits.waiting + limits.sharing, 400u);
}

}  // namespace
}  // namespace lighterd::api::registry
