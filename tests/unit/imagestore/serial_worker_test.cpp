// SPDX-License-Identifier: Apache-2.0
#include "imagestore/serial_worker.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <stdexcept>
#include <vector>

namespace lighterd::imagestore {
namespace {

TEST(SerialWorkerTest, WorksInOrder) {
  std::vector<int> done;
  SerialWorker worker(3);
  for (int i = 0; i < 1000; ++i) worker.add([&done, i] { done.push_back(i); });
  worker.wait();
  ASSERT_EQ(done.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(done[static_cast<std::size_t>(i)], i);
}

TEST(SerialWorkerTest, NeverHasMoreThanItMay) {
  std::atomic<int> given = 0;
  std::atomic<int> finished = 0;
  std::atomic<int> most = 0;
  SerialWorker worker(2);
  for (int i = 0; i < 200; ++i) {
    worker.add([&] { ++finished; });
    ++given;
    most = std::max(most.load(), given - finished);
  }
  worker.wait();
  EXPECT_LE(most, 2);
}

TEST(SerialWorkerTest, ThrowsWhatTheWorkThrew) {
  bool later = false;
  SerialWorker worker(4);
  std::latch begin(1);
  worker.add([&] { begin.wait(); });
  worker.add([] { throw std::runtime_error("first"); });
  worker.add([&] { later = true; });
  begin.count_down();
  EXPECT_THROW(worker.wait(), std::runtime_error);
  EXPECT_THROW(worker.add([&] { later = true; }), std::runtime_error);
  EXPECT_FALSE(later);
}

TEST(SerialWorkerTest, EndsWhileWorkIsWaiting) {
  std::atomic<int> done = 0;
  {
    SerialWorker worker(8);
    std::latch begun(1);
    worker.add([&] {
      begun.count_down();
      ++done;
    });
    for (int i = 0; i < 7; ++i) worker.add([&] { ++done; });
    begun.wait();
  }
  EXPECT_GE(done, 1);
}

TEST(SerialWorkerTest, WaitsForNothing) {
  SerialWorker worker(1);
  worker.wait();
}

}  // namespace
}  // namespace lighterd::imagestore
