// SPDX-License-Identifier: Apache-2.0
#include "api/engine/parameters.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace lighterd::api {
namespace {

TEST(Parameters, BooleansAreMobys) {
  for (const char* text : {"", "0", "no", "false", "none", "False", "None", " NO ", "\tfalse\n"})
    EXPECT_FALSE(parse_bool(text)) << text;
  for (const char* text : {"1", "true", "True", "yes", "off", "2", "nil", "00"}) EXPECT_TRUE(parse_bool(text)) << text;
}

TEST(Parameters, AbsentBooleanIsFalse) {
  const Parameters parameters = Parameters::parse("force=True&quiet=");
  EXPECT_TRUE(get_bool(parameters, "force"));
  EXPECT_FALSE(get_bool(parameters, "other"));
  EXPECT_FALSE(get_bool(parameters, "quiet"));
}

TEST(Parameters, JsonPlatformKeysMayHaveAnyCase) {
  const oci::Platform platform =
      parse_json_platform(R"({"Architecture":"arm64","OS":"linux","Variant":"v8","os.Version":"1","OSFeatures":1})");
  EXPECT_EQ(platform, (oci::Platform{"arm64", "linux", "1", {}, "v8"}));
}

TEST(Parameters, JsonPlatformErrorsAreMobys) {
  const std::pair<const char*, const char*> table[] = {
      {"linux/amd64", "failed to parse platform: "},
      {"[]", "failed to parse platform: "},
      {R"({"os":1})", "failed to parse platform: "},
      {R"({"variant":"v8"})", "optional platform fields provided, but OS and Architecture are missing"},
      {R"({"os":"linux"})", "both OS and Architecture must be provided"},
      {R"({"architecture":"arm64","variant":"v8"})", "both OS and Architecture must be provided"},
      {"{}", "both OS and Architecture must be provided"}};
  for (const auto& [json, text] : table) {
    try {
      parse_json_platform(json);
      ADD_FAILURE() << json;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument) << json;
      EXPECT_TRUE(error.text().starts_with(text)) << json << ": " << error.text();
    }
  }
}

TEST(Parameters, PlatformIsAbsentWhenEmptyAndRepeatable) {
  EXPECT_FALSE(find_json_platform(Parameters::parse("platform="), "platform"));
  EXPECT_FALSE(find_json_platform(Parameters::parse("x=1"), "platform"));
  const auto two = Parameters::parse(
      "platforms={%22os%22:%22linux%22,%22architecture%22:%22amd64%22}&platforms="
      "{%22os%22:%22linux%22,%22architecture%22:%22arm64%22}");
  const auto platforms = list_json_platforms(two, "platforms");
  ASSERT_EQ(platforms.size(), 2u);
  EXPECT_EQ(platforms[1].architecture, "arm64");
}

}  // namespace
}  // namespace lighterd::api
