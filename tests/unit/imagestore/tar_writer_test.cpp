// SPDX-License-Identifier: Apache-2.0
#include "imagestore/tar_writer.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/support/text_sink.hpp"

namespace lighterd::imagestore {
namespace {

using tests::TextSink;

// Counts and forgets.
class NullSink final : public base::Sink {
 public:
  void write(base::Bytes data) override {
    bytes += static_cast<std::int64_t>(data.size());
    if (first.size() < 4096) first += base::as_text(data);
  }
  std::int64_t bytes = 0;
  std::string first;
};

std::string field(const std::string& tar, std::size_t block, std::size_t offset, std::size_t bytes) {
  const std::string text = tar.substr(block * 512 + offset, bytes);
  return text.substr(0, text.find('\0'));
}

unsigned checksum(const std::string& tar, std::size_t block) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(tar[block * 512 + i]);
  return sum;
}

TEST(TarWriterTest, WritesUstar) {
  TextSink sink;
  TarWriter tar(sink);
  tar.add_directory("blobs", 0755);
  tar.add_file("blobs/a", 0444, "hello");
  tar.add_file("empty", 0644, "");
  tar.finish();
  ASSERT_EQ(sink.text.size(), 6U * 512);
  EXPECT_EQ(field(sink.text, 0, 0, 100), "blobs/");
  EXPECT_EQ(field(sink.text, 0, 100, 8), "0000755");
  EXPECT_EQ(field(sink.text, 0, 156, 1), "5");
  EXPECT_EQ(field(sink.text, 1, 0, 100), "blobs/a");
  EXPECT_EQ(field(sink.text, 1, 100, 8), "0000444");
  EXPECT_EQ(field(sink.text, 1, 108, 8), "0000000");
  EXPECT_EQ(field(sink.text, 1, 124, 12), "00000000005");
  EXPECT_EQ(field(sink.text, 1, 136, 12), "00000000000");
  EXPECT_EQ(field(sink.text, 1, 156, 1), "0");
  EXPECT_EQ(sink.text.substr(512 + 257, 8), std::string("ustar\00000", 8));
  EXPECT_EQ(sink.text.substr(1024, 512), "hello" + std::string(507, '\0'));
  EXPECT_EQ(field(sink.text, 3, 0, 100), "empty");
  EXPECT_EQ(sink.text.substr(4 * 512), std::string(1024, '\0'));
  for (const std::size_t block : {0U, 1U, 3U})
    EXPECT_EQ(std::stoul(field(sink.text, block, 148, 8), nullptr, 8), checksum(sink.text, block));
}

TEST(TarWriterTest, SplitsLongNamesAndTakesPaxForTheRest) {
  TextSink sink;
  TarWriter tar(sink);
  const std::string split = std::string(90, 'a') + "/" + std::string(90, 'b');
  const std::string unsplit = "blobs/sha512/" + std::string(128, 'c');
  tar.add_file(split, 0444, "");
  tar.add_file(unsplit, 0444, "");
  tar.finish();
  EXPECT_EQ(field(sink.text, 0, 345, 155), std::string(90, 'a'));
  EXPECT_EQ(field(sink.text, 0, 0, 100), std::string(90, 'b'));
  EXPECT_EQ(field(sink.text, 1, 156, 1), "x");
  const std::string records = field(sink.text, 2, 0, 512);
  EXPECT_EQ(records, "151 path=" + unsplit + "\n");
  EXPECT_EQ(records.size(), 151U);
  EXPECT_EQ(field(sink.text, 3, 156, 1), "0");
}

TEST(TarWriterTest, SizesBeyondOctalAreInPax) {
  NullSink sink;
  TarWriter tar(sink);
  constexpr std::int64_t kBytes = std::int64_t{8} << 30;
  tar.start_file("big", 0444, kBytes);
  const std::vector<std::byte> zeros(std::size_t{1} << 20);
  for (std::int64_t left = kBytes; left > 0; left -= static_cast<std::int64_t>(zeros.size())) tar.write(zeros);
  tar.finish();
  EXPECT_EQ(sink.bytes, kBytes + 5 * 512);
  EXPECT_EQ(field(sink.first, 1, 0, 512), "19 size=8589934592\n");
  EXPECT_EQ(field(sink.first, 2, 0, 100), "big");
}

TEST(TarWriterTest, RefusesContentOfAnotherLength) {
  TextSink sink;
  TarWriter tar(sink);
  tar.start_file("a", 0444, 3);
  EXPECT_THROW(tar.write(base::as_bytes("four")), base::Error);
  tar.write(base::as_bytes("tw"));
  EXPECT_THROW(tar.add_directory("b", 0755), base::Error);
  EXPECT_THROW(tar.finish(), base::Error);
}

}  // namespace
}  // namespace lighterd::imagestore
