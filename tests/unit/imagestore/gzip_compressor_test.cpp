// SPDX-License-Identifier: Apache-2.0
#include "imagestore/gzip_compressor.hpp"

#include <gtest/gtest.h>

#include "imagestore/decompression.hpp"
#include "tests/support/test_store.hpp"
#include "tests/support/text_sink.hpp"
#include "tests/support/text_source.hpp"

namespace lighterd::imagestore {
namespace {

using tests::TextSink;

std::string compress(std::string_view text, std::size_t step) {
  TextSink sink;
  GzipCompressor compressor(sink);
  for (std::size_t at = 0; at < text.size(); at += step) compressor.write(base::as_bytes(text.substr(at, step)));
  compressor.finish();
  return sink.text;
}

std::string uncompress(std::string_view compressed) {
  tests::TextSource source{std::string(compressed)};
  DecompressingSource plain(source);
  EXPECT_EQ(plain.compression(), Compression::kGzip);
  return base::read_all(plain, std::size_t{1} << 30, "test");
}

TEST(GzipCompressorTest, WhatItWritesIsReadAgain) {
  for (const std::int64_t bytes : {0, 1, 1000, 256 * 1024, 256 * 1024 + 1, 3'000'000}) {
    const std::string text = tests::make_content(bytes);
    const std::string compressed = compress(text, 100'000);
    EXPECT_EQ(uncompress(compressed), text) << bytes;
    EXPECT_LT(compressed.size(), text.size() + 32);
  }
}

TEST(GzipCompressorTest, TheSameBytesGiveTheSameStream) {
  const std::string text = tests::make_content(1'500'000);
  const std::string whole = compress(text, text.size());
  for (const std::size_t step : {997U, 65'536U, 262'144U, 300'000U}) EXPECT_EQ(compress(text, step), whole) << step;
  // No time and no name (RFC 1952).
  EXPECT_EQ(whole.substr(0, 8), std::string("\x1F\x8B\x08\0\0\0\0\0", 8));
}

TEST(GzipCompressorTest, ZerosStayBelowTheRatioOfABomb) {
  const std::string zeros(std::size_t{128} << 20, '\0');
  const std::string compressed = compress(zeros, zeros.size());
  EXPECT_LT(zeros.size() / compressed.size(), static_cast<std::size_t>(DecompressionLimits().max_ratio));
  EXPECT_EQ(uncompress(compressed).size(), zeros.size());
}

}  // namespace
}  // namespace lighterd::imagestore
