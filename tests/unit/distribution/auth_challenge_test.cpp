// SPDX-License-Identifier: Apache-2.0
#include "distribution/auth_challenge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lighterd::distribution {
namespace {

std::string describe(const std::vector<Challenge>& challenges) {
  std::string text;
  for (const Challenge& challenge : challenges) {
    text += challenge.scheme + "{";
    for (const auto& [name, value] : challenge.parameters) text += name + "=" + value + ";";
    text += "}";
  }
  return text;
}

struct ChallengeCase {
  const char* name;
  std::vector<std::string> lines;
  const char* expected;
};

class ParseChallenges : public testing::TestWithParam<ChallengeCase> {};

TEST_P(ParseChallenges, ReadsEveryForm) {
  EXPECT_EQ(describe(parse_challenges(GetParam().lines)), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ParseChallenges,
    testing::Values(
        ChallengeCase{
            "hub",
            {R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push")"},
            "bearer{realm=https://auth.docker.io/token;service=registry.docker.io;scope=repository:a/b:pull,push;}"},
        ChallengeCase{"case_and_spaces", {R"(BEARER  Realm = "r" ,	SERVICE="s")"}, "bearer{realm=r;service=s;}"},
        ChallengeCase{
            "unquoted", {"bearer realm=https://h:1/t?a=b,service=s"}, "bearer{realm=https://h:1/t?a=b;service=s;}"},
        ChallengeCase{"unquoted_actions",
                      {"Bearer realm=r,scope=repository:a:pull,push,delete,service=s, Negotiate"},
                      "bearer{realm=r;scope=repository:a:pull,push,delete;service=s;}negotiate{}"},
        ChallengeCase{"scheme_after_a_quoted_scope",
                      {R"(Bearer realm="r",scope="a:b:pull",Negotiate)"},
                      "bearer{realm=r;scope=a:b:pull;}negotiate{}"},
        ChallengeCase{
            "empty_first", {R"(Bearer realm="",service="",scope="x:y:z")"}, "bearer{realm=;service=;scope=x:y:z;}"},
        ChallengeCase{
            "realm_with_query_and_error",
            {R"(Bearer realm="https://h/t?a=b&c",error="insufficient_scope",error_description="no, \"never\"")"},
            R"(bearer{realm=https://h/t?a=b&c;error=insufficient_scope;error_description=no, "never";})"},
        ChallengeCase{"two_bearers_in_a_line",
                      {R"(Bearer realm="one" , Bearer realm="two")"},
                      "bearer{realm=one;}bearer{realm=two;}"},
        ChallengeCase{"quoted_pairs", {R"(Basic realm="a \"b\" \\c, d")"}, "basic{realm=a \"b\" \\c, d;}"},
        ChallengeCase{"empty_value", {R"(Bearer realm="r",scope="",service="s")"}, "bearer{realm=r;scope=;service=s;}"},
        ChallengeCase{"several_lines", {"Negotiate", R"(Basic realm="x")"}, "negotiate{}basic{realm=x;}"},
        ChallengeCase{"joined",
                      {R"(Basic realm="x", Bearer realm="r",service="s", Negotiate)"},
                      "basic{realm=x;}bearer{realm=r;service=s;}negotiate{}"},
        ChallengeCase{"scheme_alone", {"Basic"}, "basic{}"},
        ChallengeCase{"unterminated", {R"(Bearer realm="abc)"}, "bearer{realm=abc;}"},
        ChallengeCase{"token68", {"Negotiate YII=, Basic realm=x"}, "negotiate{yii=;}basic{realm=x;}"},
        ChallengeCase{"garbage", {R"(,,=;"@ )"}, ""}, ChallengeCase{"empty", {""}, ""}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(SelectChallenge, PrefersBearerWithRealmThenBasic) {
  EXPECT_EQ(select_challenge(parse_challenges({R"(Basic realm="x", Bearer realm="r")"}))->scheme, "bearer");
  EXPECT_EQ(select_challenge(parse_challenges({R"(Bearer service="s")", "Basic"}))->scheme, "basic");
  EXPECT_FALSE(select_challenge(parse_challenges({"Negotiate", "Digest realm=x"})));
}

TEST(ParseChallenges, IsBoundedForManyChallenges) {
  std::string line;
  for (int i = 0; i < 10'000; ++i) line += "Basic a" + std::to_string(i) + "=b,";
  for (int i = 0; i < 10'000; ++i) line += "x y,";
  EXPECT_LE(parse_challenges({line}).size(), 16U);
}

TEST(Scopes, AreReadComparedAndMerged) {
  const auto scopes = parse_scopes("repository:host:5000/a:push,pull  registry:catalog:* junk :x x:");
  ASSERT_EQ(scopes.size(), 2U);
  EXPECT_EQ(scopes[0].to_string(), "repository:host:5000/a:pull,push");
  EXPECT_EQ(scopes[1].to_string(), "registry:catalog:*");
  EXPECT_TRUE(covers(scopes, parse_scopes("repository:host:5000/a:pull")));
  EXPECT_FALSE(covers(scopes, parse_scopes("repository:host:5000/a:delete")));
  EXPECT_FALSE(covers(scopes, parse_scopes("repository:b:pull")));
  const auto merged =
      merge_scopes(parse_scopes("repository:z:pull"), parse_scopes("repository:a:pull repository:z:push"));
  ASSERT_EQ(merged.size(), 2U);
  EXPECT_EQ(merged[0].to_string(), "repository:z:pull,push");
}

}  // namespace
}  // namespace lighterd::distribution
