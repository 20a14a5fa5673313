// SPDX-License-Identifier: Apache-2.0
#include "distribution/single_flight.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

// The first flight of a key, which others can join until it lands.
class SingleFlightTest : public testing::Test {
 protected:
  std::future<int> run(const std::function<int()>& work, const std::stop_token& stop = {}) {
    return std::async(std::launch::async, [this, work, stop] { return flight.run("key", work, stop); });
  }
  std::future<int> take_off(const std::function<int()>& result) {
    auto first = run([this, result] {
      started.set_value();
      let_go.get_future().wait();
      return result();
    });
    started.get_future().wait();
    return first;
  }
  std::vector<std::future<int>> join(int count) {
    std::vector<std::future<int>> others;
    for (int i = 0; i < count; ++i)
      others.push_back(run([this] {
        ++own_runs;
        return 100;
      }));
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (flight.count_waiters() < static_cast<std::size_t>(count) && std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
    EXPECT_EQ(flight.count_waiters(), static_cast<std::size_t>(count));
    return others;
  }
  static ErrorCode code_of(std::future<int> result) {
    try {
      result.get();
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kInternal;
  }

  SingleFlight<int> flight;
  std::promise<void> started;
  std::promise<void> let_go;
  std::atomic<int> own_runs = 0;
};

TEST_F(SingleFlightTest, WhoComesMeanwhileGetsTheSameResult) {
  auto first = take_off([] { return 1; });
  auto others = join(8);
  EXPECT_EQ(flight.run("other key", [] { return 7; }, {}), 7);
  let_go.set_value();
  EXPECT_EQ(first.get(), 1);
  for (auto& other : others) EXPECT_EQ(other.get(), 1);
  EXPECT_EQ(own_runs, 0);
  EXPECT_EQ(run([] { return 50; }).get(), 50);
}

TEST_F(SingleFlightTest, AFailureGoesToAllWhoWaitAndIsNotRemembered) {
  auto first = take_off([]() -> int { throw Error(ErrorCode::kNotFound, "nothing"); });
  auto others = join(3);
  let_go.set_value();
  EXPECT_EQ(code_of(std::move(first)), ErrorCode::kNotFound);
  for (auto& other : others) EXPECT_EQ(code_of(std::move(other)), ErrorCode::kNotFound);
  EXPECT_EQ(own_runs, 0);
  EXPECT_EQ(run([] { return 3; }).get(), 3);
}

TEST_F(SingleFlightTest, TheFirstOnesCancellationIsNobodyElses) {
  auto first = take_off([]() -> int { throw Error(ErrorCode::kCancelled, "gone"); });
  auto others = join(3);
  let_go.set_value();
  EXPECT_EQ(code_of(std::move(first)), ErrorCode::kCancelled);
  for (auto& other : others) EXPECT_EQ(other.get(), 100);
  EXPECT_GE(own_runs, 1);
}

TEST_F(SingleFlightTest, AWaiterCanBeStopped) {
  auto first = take_off([] { return 1; });
  std::stop_source stop;
  auto second = run([] { return 2; }, stop.get_token());
  stop.request_stop();
  EXPECT_EQ(code_of(std::move(second)), ErrorCode::kCancelled);
  let_go.set_value();
  EXPECT_EQ(first.get(), 1);
}

}  // namespace
}  // namespace lighterd::distribution
