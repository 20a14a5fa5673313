// SPDX-License-Identifier: Apache-2.0
#include "oci/digest.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/error.hpp"

namespace lighterd::oci {
namespace {

const std::string kHex64 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const std::string kHex128 =
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

struct DigestCase {
  const char* name;
  std::string text;
  std::string error;  // empty if valid
};

class DigestTest : public testing::TestWithParam<DigestCase> {};

TEST_P(DigestTest, ParsesOrTellsWhy) {
  const auto& [name, text, error] = GetParam();
  if (error.empty()) {
    EXPECT_EQ(parse_digest(text).to_string(), text);
    EXPECT_EQ(find_digest(text), parse_digest(text));
    return;
  }
  EXPECT_EQ(find_digest(text), std::nullopt);
  try {
    parse_digest(text);
    FAIL() << "accepted " << text;
  } catch (const base::Error& thrown) {
    EXPECT_EQ(thrown.code(), base::ErrorCode::kInvalidArgument);
    EXPECT_EQ(thrown.text(), error);
  }
}

const std::string kFormat = "invalid checksum digest format";
const std::string kLength = "invalid checksum digest length";
const std::string kUnsupported = "unsupported digest algorithm";

INSTANTIATE_TEST_SUITE_P(
    Table, DigestTest,
    testing::Values(DigestCase{"Sha256", "sha256:" + kHex64, ""}, DigestCase{"Sha512", "sha512:" + kHex128, ""},
                    DigestCase{"Empty", "", kFormat}, DigestCase{"NoColon", kHex64, kFormat},
                    DigestCase{"NoAlgorithm", ":" + kHex64, kFormat}, DigestCase{"NoHex", "sha256:", kFormat},
                    DigestCase{"OneTooShort", "sha256:" + kHex64.substr(1), kLength},
                    DigestCase{"OneTooLong", "sha256:" + kHex64 + "0", kLength},
                    DigestCase{"Sha512LengthForSha256", "sha256:" + kHex128, kLength},
                    DigestCase{"Sha256LengthForSha512", "sha512:" + kHex64, kLength},
                    DigestCase{"UpperCaseHex", "sha256:BA" + kHex64.substr(2), kFormat},
                    DigestCase{"NoHexDigit", "sha256:g" + kHex64.substr(1), kFormat},
                    DigestCase{"PathTraversal", "sha256:../../etc/passwd", kLength},
                    DigestCase{"PathTraversalOfRightLength", "sha256:../../" + kHex64.substr(6), kFormat},
                    DigestCase{"NulAtTheEnd", "sha256:" + kHex64 + std::string(1, '\0'), kLength},
                    DigestCase{"NulInside", "sha256:" + std::string(1, '\0') + kHex64.substr(1), kFormat},
                    DigestCase{"NewlineAtTheEnd", "sha256:" + kHex64 + "\n", kLength},
                    DigestCase{"SpaceInFront", " sha256:" + kHex64, kFormat},
                    DigestCase{"UpperCaseAlgorithm", "SHA256:" + kHex64, kFormat},
                    DigestCase{"Md5", "md5:d41d8cd98f00b204e9800998ecf8427e", kUnsupported},
                    DigestCase{"Sha384", "sha384:" + kHex128.substr(32), kUnsupported},
                    DigestCase{"ComposedAlgorithm", "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564",
                               kUnsupported},
                    DigestCase{"AlgorithmPath", "../sha256:" + kHex64, kFormat},
                    DigestCase{"AlgorithmEndsWithSeparator", "sha256+:" + kHex64, kFormat},
                    DigestCase{"SecondColon", "md5:sha256:" + kHex64, kFormat}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(DigestHasherTest, KnownAnswers) {
  EXPECT_EQ(digest_of(base::as_bytes("abc")).hex(), kHex64);
  EXPECT_EQ(digest_of(base::as_bytes("abc"), DigestAlgorithm::kSha512).hex(), kHex128);
  EXPECT_EQ(digest_of({}).to_string(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(DigestHasherTest, PiecesGiveTheHashOfTheWholeEvenWhenMoved) {
  DigestHasher first(DigestAlgorithm::kSha256);
  first.update(base::as_bytes("a"));
  DigestHasher second = std::move(first);
  second.update({});
  second.update(base::as_bytes("bc"));
  EXPECT_EQ(second.finish().hex(), kHex64);
  EXPECT_THROW(second.update(base::as_bytes("d")), base::Error);
  EXPECT_THROW(second.finish(), base::Error);
}

TEST(DigestTest, PartsAndOrder) {
  const Digest digest = parse_digest("sha256:" + kHex64);
  EXPECT_EQ(digest.short_hex(), "ba7816bf8f01");
  EXPECT_EQ(digest.algorithm(), DigestAlgorithm::kSha256);
  EXPECT_LT(parse_digest("sha256:0" + kHex64.substr(1)), digest);
  EXPECT_NE(digest, parse_digest("sha512:" + kHex128));
}

TEST(RandomHexTest, IsLongEnoughAndDiffers) {
  const std::string a = random_hex(32);
  EXPECT_EQ(a.size(), 64U);
  EXPECT_EQ(a.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(a, random_hex(32));
  EXPECT_EQ(random_hex(0), "");
  EXPECT_EQ(random_hex(1000).size(), 2000U);  // more than getrandom gives at once without fail
}

}  // namespace
}  // namespace lighterd::oci
