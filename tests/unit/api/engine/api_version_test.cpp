// SPDX-License-Identifier: Apache-2.0
#include "api/engine/api_version.hpp"

#include <gtest/gtest.h>

namespace lighterd::api {
namespace {

TEST(ApiVersion, ComparesByComponentAsNumbers) {
  struct Case {
    const char* a;
    const char* b;
    int sign;
  };
  for (const auto& [a, b, sign] : {Case{"1.9", "1.10", -1}, Case{"1.44", "1.44.0", 0}, Case{"1.44.1", "1.44", 1},
                                   Case{"1", "1.0", 0}, Case{"1..5", "1.0.5", 0}, Case{".", "", 0},
                                   Case{"1.99999999999999999999999", "1.55", 1}, Case{"2", "1.55", 1}}) {
    const int result = compare_versions(a, b);
    EXPECT_EQ((result > 0) - (result < 0), sign) << a << " and " << b;
  }
}

TEST(ApiVersion, SplitsThePrefixOnlyIfItIsOne) {
  struct Case {
    const char* path;
    const char* version;
    const char* rest;
  };
  for (const auto& [path, version, rest] :
       {Case{"/v1.44/images/json", "1.44", "/images/json"}, Case{"/images/json", nullptr, "/images/json"},
        Case{"/volumes", nullptr, "/volumes"}, Case{"/version", nullptr, "/version"}, Case{"/v1.44", nullptr, "/v1.44"},
        Case{"/v1.x/info", nullptr, "/v1.x/info"}, Case{"/v/info", nullptr, "/v/info"}, Case{"/v./info", ".", "/info"},
        Case{"/v1.44/", "1.44", "/"}}) {
    const auto split = split_version(path);
    EXPECT_EQ(split.path, rest) << path;
    EXPECT_EQ(split.version, version == nullptr ? std::nullopt : std::optional<std::string_view>(version)) << path;
  }
}

TEST(ApiVersion, NamesTheBoundThatIsBroken) {
  EXPECT_FALSE(find_version_problem("1.22"));
  EXPECT_FALSE(find_version_problem("1.55"));
  EXPECT_FALSE(find_version_problem("1.30.7"));
  EXPECT_EQ(find_version_problem("1.21"),
            "client version 1.21 is too old. Minimum supported API version is 1.22, please upgrade your client to a "
            "newer version");
  EXPECT_EQ(find_version_problem("1.56"), "client version 1.56 is too new. Maximum supported API version is 1.55");
  EXPECT_TRUE(find_version_problem("1.55.1"));
  EXPECT_TRUE(find_version_problem("."));
}

TEST(ApiVersion, HoldsTheMinorNumber) {
  EXPECT_EQ(parse_api_version("1.44").minor(), 44);
  EXPECT_EQ(parse_api_version("1.44.3").minor(), 44);
  EXPECT_TRUE(parse_api_version("1.24").is_at_least(24));
  EXPECT_TRUE(parse_api_version("1.24").is_before(25));
}

}  // namespace
}  // namespace lighterd::api
