// SPDX-License-Identifier: Apache-2.0
#include "cli/record.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "cli/exit_code.hpp"
#include "tests/support/error_code.hpp"

namespace lighterd::cli {
namespace {

TEST(RecordTest, HasWhatTheDaemonSays) {
  const Record record = parse_record(
      R"({"status":"Downloading","progressDetail":{"current":5,"total":10,"units":"s","hidecounts":true},"id":"ab"})");
  EXPECT_EQ(record.id, "ab");
  EXPECT_EQ(record.status, "Downloading");
  EXPECT_EQ(record.current, 5);
  EXPECT_EQ(record.total, 10);
  EXPECT_EQ(record.units, "s");
  EXPECT_TRUE(record.hides_counts);
  EXPECT_TRUE(record.has_detail);
  EXPECT_FALSE(parse_record(R"({"stream":"Loaded image: a:1\n"})").has_detail);
}

TEST(RecordTest, EitherFormOfAnErrorCounts) {
  EXPECT_EQ(parse_record(R"({"error":"a","errorDetail":{"message":"b"}})").error, "a");
  EXPECT_EQ(parse_record(R"({"errorDetail":{"message":"b"}})").error, "b");
  EXPECT_FALSE(parse_record(R"({"errorDetail":{}})").error.empty());
}

TEST(RecordTest, WhatIsNoRecordFails) {
  for (const char* line : {"", "[]", "{", "{\"status\":1}"}) EXPECT_THROW(parse_record(line), Failure) << line;
}

TEST(LineSplitterTest, LinesComeWholeHoweverTheyArrive) {
  std::vector<std::string> lines;
  LineSplitter splitter([&lines](std::string_view line) { lines.emplace_back(line); });
  for (const char c : std::string_view("{1}\r\n\r\n{2}\n{3}")) splitter.write(base::as_bytes({&c, 1}));
  EXPECT_EQ(lines, (std::vector<std::string>{"{1}", "{2}"}));
  splitter.finish();
  splitter.write(base::as_bytes("{4}\n{5}\n"));
  EXPECT_EQ(lines, (std::vector<std::string>{"{1}", "{2}", "{3}", "{4}", "{5}"}));
}

TEST(LineSplitterTest, ALineHasABound) {
  LineSplitter splitter([](std::string_view) { FAIL() << "a line"; });
  const std::string half(600 * 1024, 'x');
  splitter.write(base::as_bytes(half));
  EXPECT_EQ(tests::code_of([&] { splitter.write(base::as_bytes(half)); }), base::ErrorCode::kDataLoss);
}

}  // namespace
}  // namespace lighterd::cli
