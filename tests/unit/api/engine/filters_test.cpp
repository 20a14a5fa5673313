// SPDX-License-Identifier: Apache-2.0
#include "api/engine/filters.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "base/error.hpp"

namespace lighterd::api {
namespace {

using namespace std::chrono_literals;

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
    return error.text();
  }
  return "no error";
}

TEST(Filters, BothEncodingsMeanTheSame) {
  for (const char* json : {R"({"label":{"a":true,"b":true},"dangling":{"true":true}})",
                           R"({"label":["a","b","a"],"dangling":["true"]})"}) {
    const Filters filters = Filters::parse(json);
    EXPECT_EQ(filters.values("label"), (std::vector<std::string>{"a", "b"})) << json;
    EXPECT_EQ(filters.find_bool("dangling"), true) << json;
    EXPECT_FALSE(filters.has("since"));
  }
  for (const char* json : {"", " ", "{}", "null", R"({"label":null})"})
    EXPECT_TRUE(Filters::parse(json).values("label").empty()) << json;
}

TEST(Filters, AnythingElseIsInvalid) {
  for (const char* json :
       {"x", "[]", "1", R"("a")", R"({"k":"v"})", R"({"k":1})", R"({"k":[1]})", R"({"k":{"v":"true"}})",
        R"({"a":["x"],"b":{"y":true}})", R"({"k":["v"]} trailing)", R"({"k":["v"])"})
    EXPECT_EQ(error_of([&] { Filters::parse(json); }), "invalid filter") << json;
}

TEST(Filters, NamesTheUnknownKey) {
  EXPECT_EQ(error_of([] { Filters::parse(R"({"nope":["x"]})").require_known({"label"}); }), "invalid filter 'nope'");
}

TEST(Filters, BooleansSayOneThing) {
  const std::pair<const char*, bool> good[] = {{R"({"d":["1"]})", true},
                                               {R"({"d":["true","1"]})", true},
                                               {R"({"d":["0"]})", false},
                                               {R"({"d":{"false":true}})", false},
                                               {R"({"d":{"true":true,"false":false}})", true}};
  for (const auto& [json, expected] : good) EXPECT_EQ(Filters::parse(json).find_bool("d"), expected) << json;
  EXPECT_EQ(Filters::parse("{}").find_bool("d"), std::nullopt);

  const std::pair<const char*, const char*> bad[] = {{R"({"d":["x"]})", "invalid filter 'd=[x]'"},
                                                     {R"({"d":["true","false"]})", "invalid filter 'd=[true false]'"},
                                                     {R"({"d":{"true":false}})", "invalid filter 'd=[true]'"},
                                                     {R"({"d":["True"]})", "invalid filter 'd=[True]'"},
                                                     {R"({"d":[]})", "invalid filter 'd'"},
                                                     {R"({"d":{}})", "invalid filter 'd'"}};
  for (const auto& [json, text] : bad)
    EXPECT_EQ(error_of([&, j = json] { Filters::parse(j).find_bool("d"); }), text) << json;
}

TEST(MatchesPattern, IsGosPathMatch) {
  struct Case {
    const char* pattern;
    const char* text;
    bool matches;
  };
  for (const auto& [pattern, text, expected] : {
           Case{"alpine", "alpine", true},
           Case{"alpine", "alpine:3", false},
           Case{"*", "alpine:3", true},
           Case{"*", "library/alpine", false},
           Case{"*/*", "library/alpine", true},
           Case{"*:3", "alpine:3", true},
           Case{"a*e:*", "alpine:3", true},
           Case{"a*p*x", "alpine", false},
           Case{"a**e", "alpine", true},
           Case{"?lpine", "alpine", true},
           Case{"a?b", "a/b", false},
           Case{"[a-c]lpine", "alpine", true},
           Case{"[^a-c]lpine", "alpine", false},
           Case{"[^x]lpine", "alpine", true},
           Case{"a[^x]b", "a/b", false},
           Case{"al\\pine", "alpine", true},
           Case{"a\\*", "a*", true},
           Case{"a\\*", "ab", false},
           Case{"[]a]", "]", false},
           Case{"[a", "a", false},
           Case{"a[", "a[", false},
           Case{"[-x]", "x", false},
           Case{"", "", true},
           Case{"", "a", false},
           Case{"*a*/b", "xay/b", true},
           Case{"docker.io/*/alpine:*", "docker.io/library/alpine:3", true},
       })
    EXPECT_EQ(matches_pattern(pattern, text), expected) << pattern << " on " << text;
}

TEST(MatchesPattern, IsNotExponential) {
  std::string pattern;
  for (int i = 0; i < 2000; ++i) pattern += "*a";
  EXPECT_FALSE(matches_pattern(pattern + "b", std::string(4000, 'a')));
}

TEST(ParseTimeValue, TakesWhatDockerTakes) {
  const base::Timestamp now = *base::parse_rfc3339("2024-05-06T07:08:09Z");
  const std::pair<const char*, const char*> good[] = {{"10m", "2024-05-06T06:58:09Z"},
                                                      {"1h30m", "2024-05-06T05:38:09Z"},
                                                      {"1.5h", "2024-05-06T05:38:09Z"},
                                                      {"-1h", "2024-05-06T08:08:09Z"},
                                                      {"500ms", "2024-05-06T07:08:08.5Z"},
                                                      {"0", "2024-05-06T07:08:09Z"},
                                                      {"1700000000", "2023-11-14T22:13:20Z"},
                                                      {"1700000000.25", "2023-11-14T22:13:20.25Z"},
                                                      {"2020-01-02T03:04:05.6+01:00", "2020-01-02T02:04:05.6Z"},
                                                      {"2020-01-02T03:04:05", "2020-01-02T03:04:05Z"},
                                                      {"2020-01-02T03:04", "2020-01-02T03:04:00Z"},
                                                      {"2020-01-02T03", "2020-01-02T03:00:00Z"},
                                                      {"2020-01-02", "2020-01-02T00:00:00Z"},
                                                      {"2020-01-02Z", "2020-01-02T00:00:00Z"}};
  for (const auto& [text, expected] : good) {
    const auto time = parse_time_value(text, now);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(base::format_rfc3339(*time), expected) << text;
  }
  for (const char* text : {"", "x", "m", "1x", "h1", "1..5h", ".", "2020-13-01", "2020-01-02T", "1e3", "+", "-",
                           "99999999999999999h", "1700000000.", "1700000000.1234567890", "99999999999999999999"}) {
    EXPECT_FALSE(parse_time_value(text, now)) << text;
  }
}

}  // namespace
}  // namespace lighterd::api
