// SPDX-License-Identifier: Apache-2.0
#include "base/json.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace lighterd::base {
namespace {

struct BadDocument {
  std::string name;
  std::string text;
};

class BadJsonTest : public testing::TestWithParam<BadDocument> {};

TEST_P(BadJsonTest, IsRefused) {
  try {
    parse_json(GetParam().text, "document");
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_TRUE(error.text().starts_with("document: ")) << error.text();
  }
}

std::string repeated(std::string_view piece, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += piece;
  return text;
}

INSTANTIATE_TEST_SUITE_P(All, BadJsonTest,
                         testing::Values(BadDocument{"Empty", ""}, BadDocument{"TrailingData", "{} {}"},
                                         BadDocument{"DuplicateKey", R"({"a":1,"a":2})"},
                                         BadDocument{"DuplicateKeyByEscape", R"({"a":1,"\u0061":2})"},
                                         BadDocument{"DeepArrays", repeated("[", 1'000'000)},
                                         BadDocument{"DeepObjects", repeated("{\"a\":", 100'000)},
                                         BadDocument{"InvalidUtf8", "{\"a\":\"\xC3\x28\"}"},
                                         BadDocument{"RawNul", std::string("{\"a\":\"\0\"}", 9)},
                                         BadDocument{"NulAndMore", std::string("{}\0{}", 5)},
                                         BadDocument{"LoneSurrogate", R"({"a":"\uD800"})"},
                                         BadDocument{"ByteOrderMark", "\xEF\xBB\xBF{}"},
                                         BadDocument{"Truncated", R"({"a":)"}, BadDocument{"NotANumber", "NaN"}),
                         [](const auto& test_case) { return test_case.param.name; });

TEST(JsonTest, AcceptsExactlyTheDepthLimit) {
  const JsonLimits limits{.max_depth = 64};
  EXPECT_NO_THROW(parse_json(repeated("[", 64) + repeated("]", 64), "document", limits));
  EXPECT_THROW(parse_json(repeated("[", 65) + repeated("]", 65), "document", limits), Error);
}

TEST(JsonTest, BoundsSizeAndValueCount) {
  EXPECT_THROW(parse_json("[1,2,3]", "document", {.max_bytes = 6}), Error);
  EXPECT_THROW(parse_json("[1,2,3]", "document", {.max_values = 3}), Error);
  EXPECT_NO_THROW(parse_json("[1,2,3]", "document", {.max_bytes = 7, .max_values = 4}));
}

TEST(JsonTest, GettersNameTheKeyAndRefuseOtherTypes) {
  const Json object = parse_json(R"({"n":1.5,"big":18446744073709551615,"s":"x","a":["y",1],"null":null})", "document");
  EXPECT_EQ(find_string(object, "missing"), std::nullopt);
  EXPECT_EQ(find_string(object, "null"), std::nullopt);
  EXPECT_EQ(get_string(object, "s"), "x");
  EXPECT_THROW(find_integer(object, "n"), Error);
  EXPECT_THROW(find_integer(object, "big"), Error);
  EXPECT_THROW(find_string_array(object, "a"), Error);
  try {
    get_integer(object, "missing");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.text(), "\"missing\" is missing");
  }
}

}  // namespace
}  // namespace lighterd::base
