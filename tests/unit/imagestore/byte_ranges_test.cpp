// SPDX-License-Identifier: Apache-2.0
#include "imagestore/byte_ranges.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace lighterd::imagestore {
namespace {

TEST(ByteRanges, JoinsWhatTouchesOrOverlaps) {
  ByteRanges ranges;
  ranges.add({10, 20});
  ranges.add({30, 40});
  EXPECT_EQ(ranges.total_bytes(), 20);
  ranges.add({20, 25});
  EXPECT_EQ(ranges.end_of_run(10), 25);
  ranges.add({24, 31});
  EXPECT_EQ(ranges.end_of_run(10), 40);
  EXPECT_EQ(ranges.total_bytes(), 30);
  ranges.add({15, 15});
  ranges.add({12, 13});
  EXPECT_EQ(ranges.total_bytes(), 30);
}

TEST(ByteRanges, FindsGaps) {
  ByteRanges ranges;
  EXPECT_EQ(ranges.find_gap(0, 100), (ByteRange{0, 100}));
  EXPECT_FALSE(ranges.find_gap(0, 0));
  ranges.add({0, 10});
  ranges.add({50, 60});
  EXPECT_EQ(ranges.find_gap(0, 100), (ByteRange{10, 50}));
  EXPECT_EQ(ranges.find_gap(20, 100), (ByteRange{20, 50}));
  EXPECT_EQ(ranges.find_gap(50, 100), (ByteRange{60, 100}));
  EXPECT_EQ(ranges.find_gap(0, 30), (ByteRange{10, 30}));
  EXPECT_FALSE(ranges.find_gap(52, 60));
  EXPECT_EQ(ranges.end_of_run(10), 10);
}

TEST(ByteRanges, AgreesWithASetOfBytes) {
  std::minstd_rand random(7);
  for (int round = 0; round < 200; ++round) {
    ByteRanges ranges;
    std::vector<bool> present(64, false);
    for (int i = 0; i < 12; ++i) {
      const auto begin = static_cast<std::int64_t>(random() % 64);
      const auto end = std::min<std::int64_t>(64, begin + static_cast<std::int64_t>(random() % 12));
      ranges.add({begin, end});
      for (auto at = begin; at < end; ++at) present[static_cast<std::size_t>(at)] = true;
    }
    std::int64_t total = 0;
    for (const bool each : present) total += each ? 1 : 0;
    ASSERT_EQ(ranges.total_bytes(), total);
    for (std::int64_t from = 0; from < 64; ++from) {
      std::int64_t begin = from;
      while (begin < 64 && present[static_cast<std::size_t>(begin)]) ++begin;
      std::int64_t end = begin;
      while (end < 64 && !present[static_cast<std::size_t>(end)]) ++end;
      const auto gap = ranges.find_gap(from, 64);
      ASSERT_EQ(gap.has_value(), begin < 64);
      if (gap) {
        ASSERT_EQ(*gap, (ByteRange{begin, end}));
      }
      ASSERT_EQ(ranges.end_of_run(from), begin);
    }
  }
}

}  // namespace
}  // namespace lighterd::imagestore
