// SPDX-License-Identifier: Apache-2.0
#include "cli/table.hpp"

#include <gtest/gtest.h>

#include "cli/format.hpp"

namespace lighterd::cli {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({{"NAME"}, {"SIZE", Align::kRight}, {"TAG"}});
  table.add({"a", "1.5MB", "x"});
  table.add({"longer", "2B", ""});
  EXPECT_EQ(table.render(),
            "NAME      SIZE   TAG\n"
            "a        1.5MB   x\n"
            "longer      2B\n");
  EXPECT_EQ(table.render("  ").substr(0, 6), "  NAME");
}

TEST(TableTest, CharactersCountAndNotBytes) {
  Table table({{"A"}, {"B"}});
  table.add({"é…", "x"});
  EXPECT_EQ(table.render(), "A    B\né…   x\n");
}

TEST(TableTest, KeysAreAligned) {
  KeyValues lines;
  lines.add("Name", "a");
  lines.add("Nothing", "");
  lines.add("Digest", "b");
  EXPECT_EQ(lines.render(), "Name:   a\nDigest: b\n");
}

TEST(FormatTest, SizesHaveThreeDigits) {
  EXPECT_EQ(format_size(0), "0B");
  EXPECT_EQ(format_size(999), "999B");
  EXPECT_EQ(format_size(1000), "1kB");
  EXPECT_EQ(format_size(3'622'892), "3.62MB");
  EXPECT_EQ(format_size(999'600), "1MB");
  EXPECT_EQ(format_size(69'312'204'800), "69.3GB");
  EXPECT_EQ(format_size(INT64_MAX), "9.22EB");
  EXPECT_EQ(format_size(-1), "?");
}

TEST(FormatTest, AgesAreRound) {
  const base::Timestamp now = *base::parse_rfc3339("2024-05-22T18:00:00Z");
  const auto age = [now](auto before) { return format_age(now - before, now); };
  EXPECT_EQ(age(seconds(0)), "Less than a second");
  EXPECT_EQ(age(seconds(-5)), "Less than a second");
  EXPECT_EQ(age(seconds(1)), "1 second");
  EXPECT_EQ(age(seconds(59)), "59 seconds");
  EXPECT_EQ(age(seconds(60)), "About a minute");
  EXPECT_EQ(age(minutes(59)), "59 minutes");
  EXPECT_EQ(age(minutes(60)), "About an hour");
  EXPECT_EQ(age(hours(47)), "47 hours");
  EXPECT_EQ(age(hours(48)), "2 days");
  EXPECT_EQ(age(hours(24 * 14)), "2 weeks");
  EXPECT_EQ(age(hours(24 * 60)), "2 months");
  EXPECT_EQ(age(hours(24 * 730)), "2 years");
}

TEST(FormatTest, DigestsAreShort) {
  EXPECT_EQ(short_digest("sha256:0123456789abcdef"), "0123456789ab");
  EXPECT_EQ(short_digest("what"), "what");
}

TEST(FormatTest, ForeignTextFits) {
  EXPECT_EQ(fit("abc", 3), "abc");
  EXPECT_EQ(fit("abcd", 3), "ab…");
  EXPECT_EQ(fit("éééé", 3), "éé…");
  EXPECT_EQ(fit("\x1b[2Jx", 10), "?[2Jx");
  EXPECT_EQ(fit("abc", 0), "");
}

}  // namespace
}  // namespace lighterd::cli
