// SPDX-License-Identifier: Apache-2.0
#include "imagestore/tar_reader.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/support/tar_text.hpp"
#include "tests/support/text_source.hpp"

namespace lighterd::imagestore {
namespace {

using namespace std::string_literals;
using tests::pax_header;
using tests::pax_record;
using tests::tar_end;
using tests::tar_file;
using tests::tar_header;

struct Listed {
  TarEntry entry;
  std::string data;
};

std::vector<Listed> list(const std::string& archive) {
  tests::TextSource source(archive);
  TarReader reader(source);
  std::vector<Listed> listed;
  while (auto entry = reader.next()) {
    std::string data = base::read_all(reader, std::size_t{16} * 1024 * 1024, "entry");
    listed.push_back({*std::move(entry), std::move(data)});
  }
  return listed;
}

std::optional<base::ErrorCode> refusal(const std::string& archive) {
  try {
    list(archive);
    return std::nullopt;
  } catch (const base::Error& error) {
    return error.code();
  }
}

TEST(TarReaderTest, ListsFilesWithTheirData) {
  const auto listed =
      list(tar_file("a", "one") + tar_file("dir/b", std::string(1000, 'x')) + tar_file("c", "") + tar_end());
  ASSERT_EQ(listed.size(), 3U);
  EXPECT_EQ(listed[0].entry.name, "a");
  EXPECT_EQ(listed[0].data, "one");
  EXPECT_EQ(listed[1].entry.name, "dir/b");
  EXPECT_EQ(listed[1].data, std::string(1000, 'x'));
  EXPECT_EQ(listed[2].data, "");
}

TEST(TarReaderTest, SkipsWhatIsNotRead) {
  tests::TextSource source(tar_file("a", std::string(5000, 'x')) + tar_file("b", "two") + tar_end());
  TarReader reader(source);
  EXPECT_EQ(reader.next()->name, "a");
  EXPECT_EQ(reader.next()->name, "b");
  EXPECT_EQ(base::read_all(reader, 100, "b"), "two");
  EXPECT_FALSE(reader.next());
}

TEST(TarReaderTest, KnowsKindsAndTargets) {
  const auto listed = list(tar_header({.name = "d/", .type = '5'}) + tar_header({.name = "old/", .type = '\0'}) +
                           tar_header({.name = "s", .type = '2', .link_target = "../t"}) +
                           tar_header({.name = "h", .type = '1', .link_target = "d/f"}) +
                           tar_header({.name = "null", .type = '3'}) + tar_end());
  ASSERT_EQ(listed.size(), 5U);
  EXPECT_EQ(listed[0].entry.kind, TarEntryKind::kDirectory);
  EXPECT_EQ(listed[1].entry.kind, TarEntryKind::kDirectory);
  EXPECT_EQ(listed[2].entry.kind, TarEntryKind::kSymlink);
  EXPECT_EQ(listed[2].entry.link_target, "../t");
  EXPECT_EQ(listed[3].entry.kind, TarEntryKind::kHardlink);
  EXPECT_EQ(listed[4].entry.kind, TarEntryKind::kOther);
}

TEST(TarReaderTest, TakesThePrefixOfUstar) {
  EXPECT_EQ(list(tar_header({.name = "name", .prefix = "some/folder"}) + tar_end()).at(0).entry.name,
            "some/folder/name");
}

TEST(TarReaderTest, EndsAtTheEndOfTheSourceToo) {
  EXPECT_EQ(list("").size(), 0U);
  EXPECT_EQ(list(tar_file("a", "one")).size(), 1U);
  EXPECT_EQ(list(tar_file("a", "one") + std::string(512, '\0')).size(), 1U);
}

TEST(TarReaderTest, ReadsAndForgetsWhatFollowsTheEnd) {
  tests::TextSource source(tar_file("a", "one") + tar_end() + "garbage" + tar_file("b", "two"));
  TarReader reader(source);
  EXPECT_TRUE(reader.next());
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(source.is_at_end());
}

TEST(TarReaderTest, PaxGovernsTheNextEntryOnly) {
  const std::string data(600, 'p');
  const auto listed =
      list(pax_header({pax_record("path", "long/name"), pax_record("size", "600"), pax_record("mtime", "1.5")}) +
           tar_header({.name = "short", .size_bytes = 5}) + data + std::string(1024 - 600, '\0') +
           tar_file("next", "n") + tar_end());
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(listed[0].entry.name, "long/name");
  EXPECT_EQ(listed[0].data, data);
  EXPECT_EQ(listed[1].entry.name, "next");
  EXPECT_EQ(listed[1].data, "n");
}

TEST(TarReaderTest, PaxIsNotAppliedToALongNameInBetween) {
  const std::string name(200, 'n');
  const auto listed = list(pax_header({pax_record("size", "3")}) + tar_file("././@LongLink", name + '\0', 'L') +
                           tar_file("short", "abc") + tar_end());
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].entry.name, name);
  EXPECT_EQ(listed[0].data, "abc");
}

TEST(TarReaderTest, TakesGnuLongNamesAndTargets) {
  const std::string name(300, 'n');
  const std::string target(400, 't');
  const auto listed =
      list(tar_file("././@LongLink", target + '\0', 'K') + tar_file("././@LongLink", name + '\0', 'L') +
           tar_header({.name = name.substr(0, 100), .type = '2', .link_target = target.substr(0, 100)}) + tar_end());
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].entry.name, name);
  EXPECT_EQ(listed[0].entry.link_target, target);
}

TEST(TarReaderTest, TakesSizesInBase256) {
  const auto listed = list(tar_header({.name = "a", .raw_size = "\x80"s + std::string(10, '\0') + "\x03"}) + "abc" +
                           std::string(509, '\0') + tar_end());
  EXPECT_EQ(listed.at(0).data, "abc");
}

TEST(TarReaderTest, IgnoresAGlobalHeaderThatNamesNothing) {
  EXPECT_EQ(list(pax_header({pax_record("comment", "a commit")}, 'g') + tar_file("a", "one") + tar_end()).size(), 1U);
}

struct Refused {
  std::string name;
  std::string archive;
  base::ErrorCode code = base::ErrorCode::kDataLoss;
};

class RefusedTarTest : public testing::TestWithParam<Refused> {};

TEST_P(RefusedTarTest, IsRefused) {
  EXPECT_EQ(refusal(GetParam().archive), GetParam().code);
}

std::string with_byte(std::string text, std::size_t at, char byte) {
  text[at] = byte;
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedTarTest,
    testing::Values(
        Refused{"Text", "this is no archive"}, Refused{"LongText", std::string(2000, 'x')},
        Refused{"WrongChecksum", with_byte(tar_file("a", "one"), 3, 'b')},
        Refused{"CutInAHeader", tar_file("a", "one").substr(0, 400)},
        Refused{"CutInData", tar_file("a", std::string(2000, 'x')).substr(0, 1500)},
        Refused{"CutInPadding", tar_file("a", "one").substr(0, 600)},
        Refused{"LoneZeroBlock", tar_file("a", "one") + std::string(512, '\0') + tar_file("b", "two") + tar_end()},
        Refused{"NegativeSize", tar_header({.name = "a", .raw_size = std::string(12, '\xFF')})},
        Refused{"HugeSize", tar_header({.name = "a", .raw_size = "\x80"s + std::string(11, '\x7F')})},
        Refused{"SizeThatIsNotOctal", tar_header({.name = "a", .raw_size = "00000000039\0"s})},
        Refused{"SizeWithGarbage", tar_header({.name = "a", .raw_size = "0003\0 00007\0"s})},
        Refused{"HardlinkWithSize", tar_header({.name = "a", .type = '1', .size_bytes = 512, .link_target = "b"})},
        Refused{"DirectoryWithSize", tar_header({.name = "a/", .type = '5', .size_bytes = 512})},
        Refused{"FileNamedAsAFolderWithData", tar_file("a/", "one")},
        Refused{"GnuHeaderWithPrefix", tar_header({.name = "a", .magic = "ustar  \0"s, .prefix = "p"})},
        Refused{"OldHeaderWithPrefix", tar_header({.name = "a", .magic = std::string(8, '\0'), .prefix = "p"})},
        Refused{"GnuSparse", tar_file("a", "", 'S'), base::ErrorCode::kNotImplemented},
        Refused{"PaxSparse", pax_header({pax_record("GNU.sparse.major", "1")}) + tar_file("a", ""),
                base::ErrorCode::kNotImplemented},
        Refused{"MultiVolume", tar_file("a", "", 'M')},
        Refused{"SolarisPax", pax_header({pax_record("path", "b")}, 'X')},
        Refused{"PaxWithoutNewline", pax_header({"10 path=abc"}) + tar_file("a", "")},
        Refused{"PaxWithoutEquals", pax_header({"9 pathab\n"}) + tar_file("a", "")},
        Refused{"PaxLengthZero", pax_header({"0 path=a\n"}) + tar_file("a", "")},
        Refused{"PaxLengthTooLong", pax_header({"99 path=a\n"}) + tar_file("a", "")},
        Refused{"PaxLengthSigned", pax_header({"+9 path=a\n"}) + tar_file("a", "")},
        Refused{"PaxNegativeSize", pax_header({pax_record("size", "-1")}) + tar_file("a", "")},
        Refused{"PaxHugeSize", pax_header({pax_record("size", "9223372036854775808")}) + tar_file("a", "")},
        Refused{"PaxPathWithNul", pax_header({pax_record("path", "a\0b"s)}) + tar_file("a", "")},
        Refused{"PaxEmptyPath", pax_header({pax_record("path", "")}) + tar_file("a", "")},
        Refused{"PaxPathTwice", pax_header({pax_record("path", "a"), pax_record("path", "b")}) + tar_file("a", "")},
        Refused{"PaxLongPath", pax_header({pax_record("path", std::string(4097, 'a'))}) + tar_file("a", "")},
        Refused{"TwoPaxHeaders",
                pax_header({pax_record("path", "a")}) + pax_header({pax_record("path", "b")}) + tar_file("a", "")},
        Refused{"PaxAndLongName",
                pax_header({pax_record("path", "a")}) + tar_file("././@LongLink", "b\0"s, 'L') + tar_file("a", "")},
        Refused{"PaxOverAMegabyte", tar_header({.name = "p", .type = 'x', .size_bytes = 1024 * 1024 + 1})},
        Refused{"PaxOf4GiB", tar_header({.name = "p", .type = 'x', .size_bytes = std::int64_t{4} << 30})},
        Refused{"PaxAtTheEnd", pax_header({pax_record("path", "a")}) + tar_end()},
        Refused{"LongNameOver4KiB", tar_file("././@LongLink", std::string(4098, 'n'), 'L') + tar_file("a", "")},
        Refused{"EmptyLongName", tar_file("././@LongLink", "\0"s, 'L') + tar_file("a", "")},
        Refused{"GlobalPath", pax_header({pax_record("path", "a")}, 'g') + tar_file("b", "")},
        Refused{"GlobalSize", pax_header({pax_record("size", "1")}, 'g') + tar_file("b", "")}),
    [](const auto& test_case) { return test_case.param.name; });

}  // namespace
}  // namespace lighterd::imagestore
