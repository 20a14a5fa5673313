// SPDX-License-Identifier: Apache-2.0
#include "distribution/token_response.hpp"

#include <gtest/gtest.h>

namespace lighterd::distribution {
namespace {

struct TokenCase {
  const char* name;
  std::string body;
  std::optional<std::pair<std::string, int>> expected;  // token and seconds
};
class FindToken : public testing::TestWithParam<TokenCase> {};
TEST_P(FindToken, ReadsTokenAndLife) {
  const auto found = find_token(GetParam().body);
  ASSERT_EQ(found.has_value(), GetParam().expected.has_value());
  if (!found) return;
  EXPECT_EQ(found->value.reveal(), GetParam().expected->first);
  EXPECT_EQ(found->life.count(), GetParam().expected->second);
}
INSTANTIATE_TEST_SUITE_P(
    Table, FindToken,
    testing::Values(
        TokenCase{"token", R"({"token":"t","expires_in":300})", {{"t", 300}}},
        TokenCase{"access_token", R"({"access_token":"a","expires_in":300})", {{"a", 300}}},
        TokenCase{"both", R"({"token":"t","access_token":"a"})", {{"a", 60}}},
        TokenCase{"empty_access_token", R"({"token":"t","access_token":""})", {{"t", 60}}},
        TokenCase{"no_life", R"({"token":"t"})", {{"t", 60}}},
        TokenCase{"life_0", R"({"token":"t","expires_in":0})", {{"t", 60}}},
        TokenCase{"life_negative", R"({"token":"t","expires_in":-5})", {{"t", 60}}},
        TokenCase{"life_short", R"({"token":"t","expires_in":5})", {{"t", 60}}},
        TokenCase{"life_float", R"({"token":"t","expires_in":90.7})", {{"t", 90}}},
        TokenCase{"life_huge", R"({"token":"t","expires_in":1e300})", {{"t", 86400}}},
        TokenCase{"life_beyond_64_bits", R"({"token":"t","expires_in":99999999999999999999})", {{"t", 86400}}},
        TokenCase{"life_text", R"({"token":"t","expires_in":"300"})", {{"t", 60}}},
        TokenCase{
            "issued_long_ago", R"({"token":"t","expires_in":300,"issued_at":"2001-01-01T00:00:00Z"})", {{"t", 300}}},
        TokenCase{"issued_nonsense", R"({"token":"t","issued_at":7})", {{"t", 60}}},
        TokenCase{"none", "{}", {{"", 60}}}, TokenCase{"empty", R"({"token":""})", {{"", 60}}},
        TokenCase{"null", R"({"token":null})", {{"", 60}}}, TokenCase{"nothing", "", std::nullopt},
        TokenCase{"list", "[]", std::nullopt}, TokenCase{"text", "hello", std::nullopt},
        TokenCase{"html", "<!DOCTYPE html><html><title>Sign in</title></html>", std::nullopt},
        TokenCase{"line_break", R"({"token":"a\r\nX: y"})", std::nullopt},
        TokenCase{"space", R"({"token":"a b"})", std::nullopt},
        TokenCase{"deep", std::string(100, '[') + std::string(100, ']'), std::nullopt},
        TokenCase{"huge", "{\"token\":\"" + std::string(2'000'000, 'x') + "\"}", std::nullopt}),
    [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace lighterd::distribution
