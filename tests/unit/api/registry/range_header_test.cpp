// SPDX-License-Identifier: Apache-2.0
#include "api/registry/range_header.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lighterd::api::registry {
namespace {

constexpr std::int64_t kSize = 2048;

struct RangeCase {
  const char* name;
  std::string header;
  RangeRequest::Kind kind;
  std::vector<Range> ranges = {};
};

using Kind = RangeRequest::Kind;

class RangeHeaderTest : public testing::TestWithParam<RangeCase> {};

TEST_P(RangeHeaderTest, IsReadAsRfc9110Says) {
  const RangeRequest request = parse_range(GetParam().header, kSize);
  EXPECT_EQ(request.kind, GetParam().kind);
  if (GetParam().kind != Kind::kParts) return;
  EXPECT_EQ(request.ranges, GetParam().ranges);
}

std::string many_ranges(int count) {
  std::string text = "bytes=";
  for (int i = 0; i < count; ++i) text += (i == 0 ? "" : ",") + std::to_string(2 * i) + "-" + std::to_string(2 * i);
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    , RangeHeaderTest,
    testing::Values(RangeCase{"Middle", "bytes=500-1499", Kind::kParts, {{500, 1499}}},
                    RangeCase{"ToTheEnd", "bytes=500-", Kind::kParts, {{500, 2047}}},
                    RangeCase{"Suffix", "bytes=-500", Kind::kParts, {{1548, 2047}}},
                    RangeCase{"SuffixBeyondTheStart", "bytes=-5000", Kind::kParts, {{0, 2047}}},
                    RangeCase{"BeyondTheEnd", "bytes=2000-5000", Kind::kParts, {{2000, 2047}}},
                    RangeCase{"LastByte", "bytes=2047-2047", Kind::kParts, {{2047, 2047}}},
                    RangeCase{"Several", "bytes=0-0, 100-199 ,-1", Kind::kParts, {{0, 0}, {100, 199}, {2047, 2047}}},
                    RangeCase{"SomeOfThemOutside", "bytes=0-9,5000-6000", Kind::kParts, {{0, 9}}},
                    RangeCase{"UnitInCapitals", "BYTES=0-9", Kind::kParts, {{0, 9}}},
                    RangeCase{"HugeEnd", "bytes=0-18446744073709551616", Kind::kParts, {{0, 2047}}},
                    RangeCase{"Backwards", "bytes=500-0", Kind::kUnsatisfiable},
                    RangeCase{"Outside", "bytes=5000-10000", Kind::kUnsatisfiable},
                    RangeCase{"JustOutside", "bytes=2048-", Kind::kUnsatisfiable},
                    RangeCase{"EmptySuffix", "bytes=-0", Kind::kUnsatisfiable},
                    RangeCase{"HugeStart", "bytes=18446744073709551616-", Kind::kUnsatisfiable},
                    RangeCase{"Sixteen", many_ranges(16), Kind::kParts,
                              [] {
                                std::vector<Range> ranges;
                                for (int i = 0; i < 16; ++i) ranges.push_back({2 * i, 2 * i});
                                return ranges;
                              }()},
                    RangeCase{"TooMany", many_ranges(1000), Kind::kWhole},
                    RangeCase{"Overlapping", "bytes=0-100,50-150", Kind::kWhole},
                    RangeCase{"OverlappingOutOfOrder", "bytes=100-200,0-100", Kind::kWhole},
                    RangeCase{"OtherUnit", "items=0-1", Kind::kWhole}, RangeCase{"NoDash", "bytes=5", Kind::kWhole},
                    RangeCase{"NoNumber", "bytes=-", Kind::kWhole}, RangeCase{"Sign", "bytes=+1-2", Kind::kWhole},
                    RangeCase{"Letters", "bytes=a-b", Kind::kWhole}, RangeCase{"Nothing", "bytes=", Kind::kWhole},
                    RangeCase{"Empty", "", Kind::kWhole}),
    [](const auto& test) { return test.param.name; });

TEST(RangeHeaderOfNothingTest, IsUnsatisfiable) {
  for (const char* header : {"bytes=0-", "bytes=-1", "bytes=0-0"})
    EXPECT_EQ(parse_range(header, 0).kind, Kind::kUnsatisfiable) << header;
}

TEST(ContentRangeTest, HasNoUnitAndMayHaveOne) {
  EXPECT_EQ(parse_content_range("0-499"), (Range{0, 499}));
  EXPECT_EQ(parse_content_range(" 7-7 "), (Range{7, 7}));
  EXPECT_EQ(parse_content_range("bytes 500-999/*"), (Range{500, 999}));
  EXPECT_EQ(parse_content_range("bytes 500-999/2000"), (Range{500, 999}));
}

TEST(ContentRangeTest, IsRefusedIfItCannotBeMeant) {
  for (const char* header : {"", "-", "5", "5-", "-5", "9-5", "a-b", "0-18446744073709551616", "0-9223372036854775807",
                             "0--1", "0 - 9", "bytes 0-", "bytes=0-9"})
    EXPECT_FALSE(parse_content_range(header)) << header;
}

}  // namespace
}  // namespace lighterd::api::registry
