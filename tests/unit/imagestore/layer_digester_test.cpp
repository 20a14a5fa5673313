// SPDX-License-Identifier: Apache-2.0
#include "imagestore/layer_digester.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/error.hpp"
#include "tests/support/compression.hpp"

namespace lighterd::imagestore {
namespace {

using namespace std::string_literals;
using tests::compress;

std::string sample(std::size_t size, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::string text;
  while (text.size() < size) text += "line " + std::to_string(random() % 1000) + "\n";
  text.resize(size);
  return text;
}

std::optional<LayerContent> digest_in_pieces(std::string_view data, std::size_t piece,
                                             DecompressionLimits limits = {}) {
  LayerDigester digester(limits);
  for (std::size_t at = 0; at < data.size(); at += piece) digester.write(base::as_bytes(data.substr(at, piece)));
  return digester.finish();
}

struct Stream {
  std::string name;
  std::string compressed;
  std::string content;
};

class LayerStreamTest : public testing::TestWithParam<Stream> {};

TEST_P(LayerStreamTest, GivesTheDigestOfTheContentHoweverItIsSplit) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, std::size_t{1} << 20}) {
    const auto layer = digest_in_pieces(GetParam().compressed, piece);
    ASSERT_TRUE(layer);
    EXPECT_EQ(layer->diff_id, oci::digest_of(base::as_bytes(GetParam().content)));
    EXPECT_EQ(layer->uncompressed_bytes, static_cast<std::int64_t>(GetParam().content.size()));
  }
}

const std::string kA = sample(300'000, 1);
const std::string kB = sample(70'000, 2);
// A skippable zstd frame of five bytes.
const std::string kSkippable = "\x50\x2A\x4D\x18\x05\x00\x00\x00hello"s;

INSTANTIATE_TEST_SUITE_P(
    All, LayerStreamTest,
    testing::Values(Stream{"Plain", kA, kA}, Stream{"Short", "abc", "abc"}, Stream{"Empty", "", ""},
                    Stream{"Gzip", compress(kA, "gzip"), kA}, Stream{"GzipOfNothing", compress("", "gzip"), ""},
                    Stream{"GzipMembers", compress(kA, "gzip") + compress("", "gzip") + compress(kB, "gzip"), kA + kB},
                    Stream{"Zstd", compress(kA, "zstd"), kA},
                    Stream{"ZstdFrames", compress(kA, "zstd") + kSkippable + compress(kB, "zstd"), kA + kB},
                    Stream{"ZstdSkippableFirst", kSkippable + compress(kB, "zstd"), kB},
                    Stream{"Bzip2", compress(kA, "bzip2"), kA}, Stream{"Bzip2OfNothing", compress("", "bzip2"), ""},
                    Stream{"Bzip2Members", compress(kA, "bzip2") + compress(kB, "bzip2"), kA + kB},
                    Stream{"Xz", compress(kA, "xz"), kA},
                    Stream{"XzStreamsAndPadding", compress(kA, "xz") + std::string(8, '\0') + compress(kB, "xz"),
                           kA + kB}),
    [](const auto& test_case) { return test_case.param.name; });

class DamagedLayerTest : public testing::TestWithParam<Stream> {};

TEST_P(DamagedLayerTest, IsDataLoss) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1} << 20}) {
    try {
      digest_in_pieces(GetParam().compressed, piece);
      FAIL() << "was accepted";
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kDataLoss) << error.text();
    }
  }
}

std::string without_end(const std::string& text, std::size_t bytes) {
  return text.substr(0, text.size() - bytes);
}

std::string with_flipped_bit(std::string text, std::size_t at) {
  text[at] = static_cast<char>(text[at] ^ 1);
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    All, DamagedLayerTest,
    testing::Values(Stream{"TruncatedGzip", without_end(compress(kA, "gzip"), 1), ""},
                    Stream{"GzipCutInTheHeader", compress(kA, "gzip").substr(0, 7), ""},
                    Stream{"GzipWrongChecksum", with_flipped_bit(compress(kA, "gzip"), compress(kA, "gzip").size() - 6),
                           ""},
                    Stream{"GzipThenGarbage", compress(kA, "gzip") + "garbage", ""},
                    Stream{"TruncatedSecondMember", compress(kA, "gzip") + without_end(compress(kB, "gzip"), 9), ""},
                    Stream{"TruncatedZstd", without_end(compress(kA, "zstd"), 1), ""},
                    Stream{"ZstdThenGarbage", compress(kA, "zstd") + "garbage", ""},
                    Stream{"TruncatedBzip2", without_end(compress(kA, "bzip2"), 1), ""},
                    Stream{"Bzip2ThenGarbage", compress(kA, "bzip2") + "garbage", ""},
                    Stream{"TruncatedXz", without_end(compress(kA, "xz"), 1), ""},
                    Stream{"XzWithOddPadding", compress(kA, "xz") + std::string(3, '\0'), ""},
                    Stream{"XzThenGarbage", compress(kA, "xz") + "garbage", ""}),
    [](const auto& test_case) { return test_case.param.name; });

TEST(LayerDigesterTest, StopsAtTheRatioAndAtTheSize) {
  const std::string zeros(8 * 1024 * 1024, '\0');
  const std::string bomb = compress(zeros, "zstd");
  EXPECT_THROW(digest_in_pieces(bomb, bomb.size(), {.max_ratio = 100, .check_ratio_from_bytes = 1024 * 1024}),
               base::Error);
  EXPECT_THROW(digest_in_pieces(bomb, bomb.size(), {.max_uncompressed_bytes = 8 * 1024 * 1024 - 1}), base::Error);
  EXPECT_NO_THROW(digest_in_pieces(bomb, bomb.size(), {.max_uncompressed_bytes = 8 * 1024 * 1024}));
}

TEST(LayerDigesterTest, LeavesAPlainLayerAloneIfTold) {
  LayerDigester plain({}, PlainLayers::kLeave);
  plain.write(base::as_bytes(kA));
  EXPECT_EQ(plain.finish(), std::nullopt);
  LayerDigester compressed({}, PlainLayers::kLeave);
  compressed.write(base::as_bytes(compress(kA, "xz")));
  const auto layer = compressed.finish();
  ASSERT_TRUE(layer);
  EXPECT_EQ(layer->diff_id, oci::digest_of(base::as_bytes(kA)));
}

}  // namespace
}  // namespace lighterd::imagestore
