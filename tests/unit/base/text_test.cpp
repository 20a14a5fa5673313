// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"
#include "base/stream.hpp"
#include "base/time.hpp"

namespace lighterd::base {
namespace {

TEST(Base64Test, EncodesWithPadding) {
  EXPECT_EQ(base64_encode(""), "");
  EXPECT_EQ(base64_encode("f"), "Zg==");
  EXPECT_EQ(base64_encode("fo"), "Zm8=");
  EXPECT_EQ(base64_encode("foo"), "Zm9v");
  EXPECT_EQ(base64_encode("\xFF\xFE"), "//4=");
}

TEST(Base64Test, DecodesBothAlphabetsPaddedOrNot) {
  EXPECT_EQ(base64_decode("__4="), "\xFF\xFE");
  EXPECT_EQ(base64_decode("//4"), "\xFF\xFE");
  EXPECT_EQ(base64_decode("Zm9v"), "foo");
  EXPECT_EQ(base64_decode(""), "");
  for (const char* bad : {"Z", "Zg=", "Z===", "Zm9v=", "Zm 9v", "Zm9v\n", "Zm9*"})
    EXPECT_EQ(base64_decode(bad), std::nullopt) << bad;
}

TEST(PercentTest, RoundTripsEveryByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all), PlusSign::kLiteral), all);
  EXPECT_EQ(percent_encode("a/b:c@d"), "a%2Fb%3Ac%40d");
}

TEST(PercentTest, RefusesBrokenEscapesAndKnowsPlus) {
  for (const char* bad : {"%", "%4", "%4g", "%-1"}) EXPECT_EQ(percent_decode(bad, PlusSign::kLiteral), std::nullopt);
  EXPECT_EQ(percent_decode("a+b%2B", PlusSign::kSpace), "a b+");
  EXPECT_EQ(percent_decode("a+b", PlusSign::kLiteral), "a+b");
}

TEST(PrintableTest, ReplacesControlsAndInvalidBytesAndCutsAtACharacter) {
  EXPECT_EQ(printable("a\r\n\x1B[31mb"), "a???[31mb");
  EXPECT_EQ(printable("x\u2028y\xC2\x85z"), "x?y?z");
  EXPECT_EQ(printable("\xC3\x28"), "?(");
  EXPECT_EQ(printable("a\u200Bb\u200Fc\u202Ad\u202Ee\u2066f\u2069g\uFEFFh\u061Ci"), "a?b?c?d?e?f?g?h?i");
  EXPECT_EQ(printable("\u200A\u2010\u2027\u202F\u2065\u206A\u061B\uFEFE\u00A0~😀"),
            "\u200A\u2010\u2027\u202F\u2065\u206A\u061B\uFEFE\u00A0~😀");
  EXPECT_EQ(printable("äöü", 5), "äö");
}

TEST(UnsignedTest, TakesDigitsOnly) {
  EXPECT_EQ(parse_unsigned("18446744073709551615"), 18446744073709551615ULL);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616"})
    EXPECT_EQ(parse_unsigned(bad), std::nullopt) << bad;
}

TEST(TimeTest, RoundTripsAndNormalisesOffsets) {
  EXPECT_EQ(format_rfc3339(*parse_rfc3339("2024-02-29T23:59:59.123456789Z")), "2024-02-29T23:59:59.123456789Z");
  EXPECT_EQ(format_rfc3339(*parse_rfc3339("2024-01-01T01:00:00.500+02:00")), "2023-12-31T23:00:00.5Z");
  EXPECT_EQ(format_rfc3339(*parse_rfc3339("1970-01-01T00:00:00Z")), "1970-01-01T00:00:00Z");
  EXPECT_EQ(to_unix_seconds(*parse_rfc3339("1969-12-31T23:59:59.5Z")), -1);
}

TEST(TimeTest, RefusesWhatIsNoTimeOrOutOfRange) {
  for (const char* bad :
       {"", "2024", "2024-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:00:00",
        "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00Zx", "0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z",
        "2024-01-01 00:00:00Z", "-024-01-01T00:00:00Z"})
    EXPECT_EQ(parse_rfc3339(bad), std::nullopt) << bad;
}

TEST(BoundedSinkTest, TakesTheLimitAndNotAByteMore) {
  BoundedStringSink sink(3, "thing");
  sink.write(as_bytes("abc"));
  EXPECT_THROW(sink.write(as_bytes("d")), Error);
  EXPECT_EQ(sink.text(), "abc");
}

TEST(SecretTest, MovedFromIsEmpty) {
  Secret a("hunter2");
  const Secret b = std::move(a);
  EXPECT_EQ(b.reveal(), "hunter2");
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): what is tested
}

}  // namespace
}  // namespace lighterd::base
