// SPDX-License-Identifier: Apache-2.0
#include "distribution/single_flight.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

class SingleFlightTest : public testing::Test {
 protected:
  int run(const std::function<int()>& work, const std::stop_token& stop = {}) { return flight.run("key", work, stop); }
  SingleFlight<int> flight;
  std::atomic<int> calls = 0;
};

TEST_F(SingleFlightTest, WhoComesMeanwhileGetsTheSameResult) {
  std::promise<void> started;
  std::promise<void> let_go;
  auto first = std::async(std::launch::async, [&] {
    return run([&] {
      started.set_value();
      let_go.get_future().wait();
      return ++calls;
    });
  });
  started.get_future().wait();
  std::vector<std::future<int>> others;
  for (int i = 0; i < 8; ++i)
    others.push_back(std::async(std::launch::async, [&] { return run([&] { return 100 + ++calls; }); }));
  EXPECT_EQ(flight.run("other key", [] { return 7; }, {}), 7);
  let_go.set_value();
  EXPECT_EQ(first.get(), 1);
  // One that came too late runs its own.
  for (auto& other : others) {
    const int result = other.get();
    EXPECT_TRUE(result == 1 || result > 100) << result;
  }
  EXPECT_EQ(run([&] { return 50; }), 50);
}

TEST_F(SingleFlightTest, AFailureGoesToAllWhoWaitAndIsNotRemembered) {
  std::promise<void> started;
  std::promise<void> let_go;
  auto first = std::async(std::launch::async, [&] {
    return run([&]() -> int {
      started.set_value();
      let_go.get_future().wait();
      throw Error(ErrorCode::kNotFound, "nothing");
    });
  });
  started.get_future().wait();
  let_go.set_value();
  try {
    first.get();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  }
  EXPECT_EQ(run([] { return 3; }), 3);
}

TEST_F(SingleFlightTest, TheFirstOnesCancellationIsNobodyElses) {
  std::promise<void> started;
  std::promise<void> let_go;
  auto first = std::async(std::launch::async, [&] {
    return run([&]() -> int {
      started.set_value();
      let_go.get_future().wait();
      throw Error(ErrorCode::kCancelled, "gone");
    });
  });
  started.get_future().wait();
  auto second = std::async(std::launch::async, [&] { return run([] { return 2; }); });
  let_go.set_value();
  EXPECT_THROW(first.get(), Error);
  EXPECT_EQ(second.get(), 2);
}

TEST_F(SingleFlightTest, AWaiterCanBeStopped) {
  std::promise<void> started;
  std::promise<void> let_go;
  auto first = std::async(std::launch::async, [&] {
    return run([&] {
      started.set_value();
      let_go.get_future().wait();
      return 1;
    });
  });
  started.get_future().wait();
  std::stop_source stop;
  auto second = std::async(std::launch::async, [&] { return run([] { return 2; }, stop.get_token()); });
  stop.request_stop();
  EXPECT_THROW(second.get(), Error);
  let_go.set_value();
  EXPECT_EQ(first.get(), 1);
}

}  // namespace
}  // namespace lighterd::distribution
