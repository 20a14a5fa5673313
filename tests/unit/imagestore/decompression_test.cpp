// SPDX-License-Identifier: Apache-2.0
#include "imagestore/decompression.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/support/compression.hpp"
#include "tests/support/test_store.hpp"
#include "tests/support/text_source.hpp"

namespace lighterd::imagestore {
namespace {

using namespace std::string_literals;
using tests::compress;

const std::string kContent = tests::make_content(400'000);

std::string read_all(const std::string& stream, std::size_t piece, const DecompressionLimits& limits = {}) {
  tests::TextSource source(stream, piece);
  DecompressingSource uncompressed(source, limits);
  return base::read_all(uncompressed, std::size_t{64} * 1024 * 1024, "stream");
}

base::ErrorCode code_of(const std::string& stream, const DecompressionLimits& limits = {}) {
  try {
    read_all(stream, 4096, limits);
  } catch (const base::Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "was accepted";
  return base::ErrorCode::kInternal;
}

class DecompressingSourceTest : public testing::TestWithParam<std::string> {};

TEST_P(DecompressingSourceTest, GivesTheContentHoweverItArrives) {
  const std::string stream = compress(kContent, GetParam());
  for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, std::size_t{4096}, std::size_t{1} << 20})
    EXPECT_EQ(read_all(stream, piece), kContent);
  EXPECT_EQ(read_all(stream + compress("more", GetParam()), 4096), kContent + "more");
}

TEST_P(DecompressingSourceTest, SaysThatTheStreamEndsEarly) {
  const std::string stream = compress(kContent, GetParam());
  EXPECT_EQ(code_of(stream.substr(0, stream.size() / 2)), base::ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(stream.substr(0, stream.size() - 1)), base::ErrorCode::kDataLoss);
}

TEST_P(DecompressingSourceTest, KeepsToItsLimits) {
  const std::string bomb = compress(std::string(std::size_t{8} * 1024 * 1024, '\0'), GetParam());
  EXPECT_EQ(code_of(bomb, {.max_ratio = 10, .check_ratio_from_bytes = 1024 * 1024}), base::ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(bomb, {.max_uncompressed_bytes = 8 * 1024 * 1024 - 1}), base::ErrorCode::kDataLoss);
}

INSTANTIATE_TEST_SUITE_P(All, DecompressingSourceTest, testing::Values("gzip", "bzip2", "xz", "zstd"),
                         [](const auto& test_case) { return test_case.param; });

TEST(PlainSourceTest, PassesAsItIs) {
  for (const std::string& text : {""s, "abc"s, "abcdef"s, kContent})
    for (const std::size_t piece : {std::size_t{1}, std::size_t{4096}}) EXPECT_EQ(read_all(text, piece), text);
}

TEST(ZstdTest, RefusesAWindowBeyond128MiB) {
  // Frame header: magic, no content size, window descriptor of exponent 31 - 10.
  EXPECT_EQ(code_of("\x28\xB5\x2F\xFD\x00\xA8\x01\x00\x00"s), base::ErrorCode::kDataLoss);
}

TEST(ZstdTest, TakesAMillionEmptyFramesInItsStride) {
  const std::string frame = "\x50\x2A\x4D\x18\x00\x00\x00\x00"s;
  std::string frames;
  for (int i = 0; i < 1'000'000; ++i) frames += frame;
  EXPECT_EQ(read_all(frames, 65536), "");
}

}  // namespace
}  // namespace lighterd::imagestore
