// SPDX-License-Identifier: Apache-2.0
#include "distribution/blob_arrival.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <limits>

#include "base/error.hpp"

namespace lighterd::distribution {
namespace {

using namespace std::chrono_literals;

constexpr auto kAll = std::numeric_limits<std::int64_t>::max();
const auto kNever = std::chrono::steady_clock::time_point::max();

std::future<BlobArrival::View> wait(BlobArrival& arrival, std::int64_t bytes, const std::atomic<bool>& ended,
                                    const std::stop_token& stop = {}) {
  return std::async(std::launch::async, [&arrival, &ended, bytes, stop] {
    return arrival.wait(
        bytes, [&] { return ended.load(); }, kNever, stop);
  });
}

class BlobArrivalTest : public testing::Test {
 protected:
  BlobArrival arrival;
  std::atomic<bool> ended = false;
};

TEST_F(BlobArrivalTest, OnlyWhatHasNoGapBeforeItIsReadable) {
  arrival.begin_copy();
  arrival.add({100, 200});
  const auto none = arrival.wait(0, [] { return false; }, std::chrono::steady_clock::now(), {});
  EXPECT_EQ(none.readable_bytes, 0);
  arrival.add({0, 50});
  EXPECT_EQ(wait(arrival, 0, ended).get().readable_bytes, 50);
  auto more = wait(arrival, 50, ended);
  arrival.add({50, 100});
  EXPECT_EQ(more.get().readable_bytes, 200);
}

TEST_F(BlobArrivalTest, AnotherCopyBeginsWithNothing) {
  arrival.begin_copy();
  arrival.add({0, 50});
  const auto first = wait(arrival, 0, ended).get();
  arrival.begin_copy();
  auto second = wait(arrival, 0, ended);
  arrival.add({0, 10});
  EXPECT_EQ(second.get().readable_bytes, 10);
  EXPECT_NE(wait(arrival, 0, ended).get().copy, first.copy);
}

TEST_F(BlobArrivalTest, ManyReadersFollowASlowBlobToItsEnd) {
  constexpr std::int64_t kBytes = 1000;
  arrival.begin_copy();
  std::vector<std::future<std::int64_t>> readers;
  for (int i = 0; i < 20; ++i)
    readers.push_back(std::async(std::launch::async, [&] {
      std::int64_t position = 0;
      while (position < kBytes) position = wait(arrival, position, ended).get().readable_bytes;
      return position;
    }));
  for (std::int64_t begin = 0; begin < kBytes; begin += 100) arrival.add({begin, begin + 100});
  for (auto& reader : readers) EXPECT_EQ(reader.get(), kBytes);
}

TEST_F(BlobArrivalTest, TheEndAndAStopWakeWhoWaits) {
  auto waiting = wait(arrival, kAll, ended);
  ended = true;
  arrival.wake();
  EXPECT_EQ(waiting.get().readable_bytes, 0);
  ended = false;
  std::stop_source stop;
  auto stopped = wait(arrival, 0, ended, stop.get_token());
  stop.request_stop();
  try {
    stopped.get();
    FAIL() << "was not stopped";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kCancelled);
  }
}

}  // namespace
}  // namespace lighterd::distribution
