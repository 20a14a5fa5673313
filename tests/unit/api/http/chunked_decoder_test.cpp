// SPDX-License-Identifier: Apache-2.0
#include "api/http/chunked_decoder.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace lighterd::api {
namespace {

using namespace std::string_literals;

constexpr const char* kRefused = "(refused)";

struct Decoded {
  std::string data;
  bool done = false;
  std::size_t consumed = 0;
};

Decoded decode(const std::vector<std::string_view>& inputs, std::size_t max_data_bytes = 1000) {
  ChunkedDecoder decoder;
  Decoded result;
  for (std::string_view input : inputs) {
    while (!input.empty() && !decoder.done()) {
      const auto piece = decoder.next(base::as_bytes(input), max_data_bytes);
      result.data += base::as_text(piece.data);
      result.consumed += piece.consumed_bytes;
      input.remove_prefix(piece.consumed_bytes);
    }
  }
  result.done = decoder.done();
  return result;
}

std::string verdict(const std::vector<std::string_view>& inputs, std::size_t max_data_bytes = 1000) {
  try {
    const Decoded result = decode(inputs, max_data_bytes);
    return result.data + (result.done ? "." : "");
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
    return kRefused;
  }
}

struct Case {
  std::string name;
  std::string text;
  std::string verdict;  // the data, and a full stop when the end was seen
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.name;
}

class ChunkedTest : public testing::TestWithParam<Case> {};

TEST_P(ChunkedTest, HasThatVerdictUnderEverySplit) {
  const std::string_view text = GetParam().text;
  EXPECT_EQ(verdict({text}), GetParam().verdict);
  EXPECT_EQ(verdict({text}, 1), GetParam().verdict);
  const std::size_t step = text.size() > 2000 ? 97 : 1;
  for (std::size_t i = 1; i < text.size(); i += step)
    EXPECT_EQ(verdict({text.substr(0, i), text.substr(i)}), GetParam().verdict) << i;
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
  EXPECT_EQ(verdict(bytes), GetParam().verdict);
}

std::string long_extensions(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "1;" + std::string(1000, 'x') + "\r\na\r\n";
  return text + "0\r\n\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    All, ChunkedTest,
    testing::Values(Case{"Empty", "0\r\n\r\n", "."}, Case{"OneChunk", "5\r\nhello\r\n0\r\n\r\n", "hello."},
                    Case{"TwoChunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world."},
                    Case{"HexSizes", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789."},
                    Case{"LeadingZeros", "0005\r\nhello\r\n000\r\n\r\n", "hello."},
                    Case{"LineBreaksInData", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n."},
                    Case{"Extension", "5;a=b\r\nhello\r\n0;c\r\n\r\n", "hello."},
                    Case{"QuotedExtension", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n", "hello."},
                    Case{"BlankBeforeExtension", "5 ; a\r\nhello\r\n0\r\n\r\n", "hello."},
                    Case{"Trailers", "5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n", "hello."},
                    Case{"NextRequestFollows", "0\r\n\r\nGET /", "."}, Case{"Unfinished", "5\r\nhel", "hel"},
                    Case{"NoSize", "\r\nhello\r\n", kRefused}, Case{"NotHex", "g\r\n", kRefused},
                    Case{"Negative", "-1\r\n", kRefused}, Case{"Plus", "+5\r\nhello\r\n", kRefused},
                    Case{"HexPrefix", "0x5\r\nhello\r\n", kRefused}, Case{"BlankFirst", " 5\r\nhello\r\n", kRefused},
                    Case{"BlankInside", "1 0\r\nhello\r\n", kRefused}, Case{"Huge", "7fffffffffffffff\r\n", kRefused},
                    Case{"Overflow", "10000000000000005\r\nhello\r\n", kRefused},
                    Case{"DataTooLong", "4\r\nhello\r\n0\r\n\r\n", kRefused},
                    Case{"DataTooShort", "6\r\nhello\r\n0\r\n\r\n", kRefused},
                    Case{"BareLineFeedAfterSize", "5\nhello\r\n0\r\n\r\n", kRefused},
                    Case{"BareLineFeedAfterData", "5\r\nhello\n0\r\n\r\n", kRefused},
                    Case{"BareLineFeedAtEnd", "0\r\n\n", kRefused},
                    Case{"CarriageReturnInLine", "5\r;a\r\nhello", kRefused},
                    Case{"NulInExtension", "5;\0\r\nhello"s, kRefused},
                    Case{"TrailerWithoutColon", "0\r\nA\r\n\r\n", kRefused},
                    Case{"FoldedTrailer", "0\r\nA: b\r\n c\r\n\r\n", kRefused},
                    Case{"LineTooLong", "5;" + std::string(5000, 'x') + "\r\nhello", kRefused},
                    Case{"FewLongExtensions", long_extensions(10), "aaaaaaaaaa."},
                    Case{"ManyLongExtensions", long_extensions(20), kRefused}),
    testing::PrintToStringParamName());

TEST(ChunkedDecoderTest, BoundsTrailers) {
  std::string text = "0\r\n";
  for (int i = 0; i < 20; ++i) text += "A: " + std::string(1000, 'b') + "\r\n";
  EXPECT_EQ(verdict({text + "\r\n"}), kRefused);
}

TEST(ChunkedDecoderTest, LeavesWhatFollowsTheEnd) {
  EXPECT_EQ(decode({"1\r\na\r\n0\r\n\r\nGET /"}).consumed, 11u);
}

TEST(ChunkedDecoderTest, LetsDataBeReadPastIt) {
  ChunkedDecoder decoder;
  decoder.next(base::as_bytes("64\r\nab"), 100);
  EXPECT_EQ(decoder.data_left_bytes(), 98u);
  decoder.skip(98);
  EXPECT_EQ(decoder.data_left_bytes(), 0u);
  decoder.next(base::as_bytes("\r\n0\r\n\r\n"), 100);
  EXPECT_TRUE(decoder.done());
}

}  // namespace
}  // namespace lighterd::api
