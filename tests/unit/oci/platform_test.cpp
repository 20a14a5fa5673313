// SPDX-License-Identifier: Apache-2.0
#include "oci/platform.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace lighterd::oci {
namespace {

Platform host_amd64() {
  return {.architecture = "amd64", .os = "linux", .os_version = {}, .os_features = {}, .variant = "v3"};
}
Platform host_arm(const std::string& variant) {
  return {.architecture = "arm", .os = "linux", .os_version = {}, .os_features = {}, .variant = variant};
}
// Three parts, taken as they are: parse_platform would normalise them.
Platform raw(const std::string& os, const std::string& architecture, const std::string& variant = {}) {
  return {.architecture = architecture, .os = os, .os_version = {}, .os_features = {}, .variant = variant};
}

TEST(PlatformTest, ParsedAndPrinted) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"linux", "linux/amd64"},
      {"amd64", "linux/amd64"},
      {"arm64", "linux/arm64"},
      {"arm", "linux/arm"},
      {"armhf", "linux/arm"},
      {"armel", "linux/arm/v6"},
      {"i386", "linux/386"},
      {"zos", "zos/amd64"},
      {"macos", "darwin/amd64"},
      {"windows", "windows/amd64"},
      {"x86-64", "linux/amd64"},
      {"linux/amd64", "linux/amd64"},
      {"linux/x86_64", "linux/amd64"},
      {"linux/aarch64", "linux/arm64"},
      {"linux/arm", "linux/arm"},
      {"linux/armhf", "linux/arm"},
      {"linux/armel", "linux/arm/v6"},
      {"linux/arm64", "linux/arm64"},
      {"linux/arm64/v8", "linux/arm64/v8"},
      {"linux/arm64/8", "linux/arm64/v8"},
      {"linux/arm64/v9", "linux/arm64/v9"},
      {"linux/arm64/9.0", "linux/arm64/v9"},
      {"linux/arm/v7", "linux/arm/v7"},
      {"linux/arm/7", "linux/arm/v7"},
      {"linux/arm/5", "linux/arm/v5"},
      {"linux/amd64/v1", "linux/amd64"},
      {"linux/amd64/v3", "linux/amd64/v3"},
      {"linux/i386/foo", "linux/386"},
      {"Linux/AMD64/V2", "linux/amd64/v2"},
      {"foo/bar", "foo/bar"},
      {"foo/bar/baz.1", "foo/bar/baz.1"},
      {"windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64"},
      {"windows(10.0.17763)", "windows(10.0.17763)/amd64"},
      {"windows(10.0.17763+win32k)/amd64", "windows(10.0.17763+win32k)/amd64"},
      {"linux(+gpu+fpu)/amd64", "linux(+fpu+gpu)/amd64"},
      {"linux(1%2B2)/amd64", "linux(1%2B2)/amd64"},
      {"linux()/amd64", "linux/amd64"},
  };
  for (const auto& [text, printed] : cases) EXPECT_EQ(to_string(parse_platform(text, host_amd64())), printed) << text;
}

TEST(PlatformTest, MissingPartsAreTheHosts) {
  EXPECT_EQ(to_string(parse_platform("linux", host_arm("v7"))), "linux/arm");
  EXPECT_EQ(to_string(parse_platform("linux", host_arm("v6"))), "linux/arm/v6");
  EXPECT_EQ(to_string(parse_platform("linux", raw("linux", "arm64", "v8"))), "linux/arm64");
}

TEST(PlatformTest, RefusedTexts) {
  const std::string os_rule =
      R"(: OSAndVersion specifier component must match "^([A-Za-z0-9_-]+)(?:\\(([A-Za-z0-9_.%-]*)((?:\\+[A-Za-z0-9_.%-]+)*)\\))?$": invalid argument)";
  const std::string rule = R"(: platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument)";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"foobar", R"("foobar": unknown operating system or architecture: invalid argument)"},
      {"*", R"("*": wildcards not yet supported: invalid argument)"},
      {"linux/*", R"("linux/*": wildcards not yet supported: invalid argument)"},
      {"linux/arm/v7/x", R"("linux/arm/v7/x": cannot parse platform specifier: invalid argument)"},
      {"", R"go("" is an invalid OS component of "")go" + os_rule},
      {"/amd64", R"go("" is an invalid OS component of "/amd64")go" + os_rule},
      {"lin ux/amd64", R"go("lin ux" is an invalid OS component of "lin ux/amd64")go" + os_rule},
      {"linux(/amd64", R"go("linux(" is an invalid OS component of "linux(/amd64")go" + os_rule},
      {"linux(1)x/amd64", R"go("linux(1)x" is an invalid OS component of "linux(1)x/amd64")go" + os_rule},
      {"linux(1+)/amd64", R"go("linux(1+)" is an invalid OS component of "linux(1+)/amd64")go" + os_rule},
      {"linux(1++a)/amd64", R"go("linux(1++a)" is an invalid OS component of "linux(1++a)/amd64")go" + os_rule},
      {"(1)/amd64", R"go("(1)" is an invalid OS component of "(1)/amd64")go" + os_rule},
      {"linux/", R"("" is an invalid component of "linux/")" + rule},
      {"linux/am$d64", R"("am$d64" is an invalid component of "linux/am$d64")" + rule},
      {"linux/arm/", R"("" is an invalid component of "linux/arm/")" + rule},
      {"linux(%zz)/amd64", R"go("linux(%zz)/amd64" has an invalid OS version "%zz": invalid argument)go"},
      {"linux(+%z)/amd64", R"go("linux(+%z)/amd64" has an invalid OS feature "%z": invalid argument)go"},
  };
  for (const auto& [text, expected] : cases) {
    try {
      parse_platform(text, host_amd64());
      ADD_FAILURE() << "accepted " << text;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
      EXPECT_EQ(error.text(), expected);
    }
  }
  EXPECT_THROW(parse_platform(std::string(1 << 20, '/'), host_amd64()), base::Error);
}

struct NormalCase {
  Platform platform;
  Platform normal;
};

TEST(PlatformTest, Normalised) {
  const NormalCase cases[] = {
      {raw("", "amd64"), raw("linux", "amd64")},
      {raw("macOS", "x86_64", "v1"), raw("darwin", "amd64")},
      {raw("Linux", "X86-64", "V2"), raw("linux", "amd64", "v2")},
      {raw("linux", "i386", "x"), raw("linux", "386")},
      {raw("linux", "aarch64", "8"), raw("linux", "arm64")},
      {raw("linux", "arm64", "v8"), raw("linux", "arm64")},
      {raw("linux", "arm64", "v8.0"), raw("linux", "arm64")},
      {raw("linux", "arm64", "v8.1"), raw("linux", "arm64", "v8.1")},
      {raw("linux", "arm64", "9"), raw("linux", "arm64", "v9")},
      {raw("linux", "arm64", "9.0"), raw("linux", "arm64", "v9")},
      {raw("linux", "arm64", "v9.0"), raw("linux", "arm64", "v9")},
      {raw("linux", "armhf"), raw("linux", "arm", "v7")},
      {raw("linux", "armel", "v7"), raw("linux", "arm", "v6")},
      {raw("linux", "arm"), raw("linux", "arm", "v7")},
      {raw("linux", "arm", "7"), raw("linux", "arm", "v7")},
      {raw("linux", "arm", "5"), raw("linux", "arm", "v5")},
      {raw("linux", "arm", "6"), raw("linux", "arm", "v6")},
      {raw("linux", "arm", "8"), raw("linux", "arm", "v8")},
      {raw("linux", "s390x", ""), raw("linux", "s390x", "")},
  };
  for (const auto& [platform, normal] : cases) EXPECT_EQ(normalize(platform), normal) << to_string(platform);
  Platform features = raw("linux", "amd64");
  features.os_features = {"b", "a", "b"};
  EXPECT_EQ(normalize(features).os_features, (std::vector<std::string>{"a", "b"}));
}

TEST(PlatformTest, PrintsUnknownWithoutOs) {
  EXPECT_EQ(to_string(raw("", "amd64")), "unknown");
  EXPECT_EQ(to_string(raw("linux", "")), "linux");
}

TEST(PlatformTest, JsonRoundTrip) {
  Platform platform = raw("windows", "arm64", "v8");
  platform.os_version = "10.0.17763.1";
  platform.os_features = {"win32k"};
  const auto json = to_json(platform);
  EXPECT_EQ(
      json.dump(),
      R"({"architecture":"arm64","os":"windows","os.features":["win32k"],"os.version":"10.0.17763.1","variant":"v8"})");
  EXPECT_EQ(platform_from_json(json), platform);
  EXPECT_EQ(to_json(Platform{}).dump(), "{}");
  EXPECT_EQ(platform_from_json(nlohmann::json::parse(R"({"os":null,"features":7})")), Platform{});
  for (const char* bad : {R"({"os":1})", R"({"architecture":[]})", R"({"os.features":"a"})", R"({"os.features":[1]})",
                          R"({"variant":{}})", "[]", "null", "\"linux\""})
    EXPECT_THROW(platform_from_json(nlohmann::json::parse(bad)), base::Error) << bad;
}

struct OrderCase {
  const char* wanted;
  std::vector<const char*> order;  // each of the rank of its place
  std::vector<const char*> refused;
};

TEST(PlatformMatcherTest, OnlyTriesInContainerdsOrder) {
  const OrderCase cases[] = {
      {"linux/amd64", {"linux/amd64", "linux/386"}, {"linux/amd64/v2", "linux/arm64", "windows/amd64", "darwin/amd64"}},
      {"linux/amd64/v3",
       {"linux/amd64/v3", "linux/amd64/v2", "linux/amd64/v1", "linux/386"},
       {"linux/amd64/v4", "linux/arm/v7"}},
      {"linux/386", {"linux/386"}, {"linux/amd64"}},
      {"linux/arm", {"linux/arm/v7", "linux/arm/v6", "linux/arm/v5"}, {"linux/arm/v8", "linux/arm64"}},
      {"linux/arm/v6", {"linux/arm/v6", "linux/arm/v5"}, {"linux/arm/v7", "linux/arm"}},
      {"linux/arm/v5", {"linux/arm/v5"}, {"linux/arm/v6"}},
      {"linux/arm/v8", {"linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"}, {"linux/arm64"}},
      {"linux/arm64",
       {"linux/arm64/v8", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"},
       {"linux/arm64/v8.1", "linux/arm64/v9", "linux/amd64"}},
      {"linux/arm64/v8.2",
       {"linux/arm64/v8.2", "linux/arm64/v8.1", "linux/arm64", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6",
        "linux/arm/v5"},
       {"linux/arm64/v8.3"}},
      {"linux/arm64/v9",
       {"linux/arm64/v9", "linux/arm64/v8.5", "linux/arm64/v8.4", "linux/arm64/v8.3", "linux/arm64/v8.2",
        "linux/arm64/v8.1", "linux/arm64/v8", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"},
       {"linux/arm64/v8.6", "linux/arm64/v9.1"}},
      {"linux/arm64/v9.6",
       {"linux/arm64/v9.6", "linux/arm64/v9.5", "linux/arm64/v9.4", "linux/arm64/v9.3", "linux/arm64/v9.2",
        "linux/arm64/v9.1", "linux/arm64/v9", "linux/arm64/v8.9", "linux/arm64/v8.8"},
       {"linux/arm64/v9.7"}},
      {"linux/s390x", {"linux/s390x"}, {"linux/amd64"}},
      {"linux/riscv64", {"linux/riscv64"}, {"linux/riscv"}},
      {"linux/amd64/v999999999", {"linux/amd64/v999999999", "linux/386"}, {"linux/amd64"}},
      {"linux/arm/v4294967303", {"linux/arm/v4294967303"}, {"linux/arm/v6"}},
  };
  for (const auto& [wanted, order, refused] : cases) {
    const auto matcher = PlatformMatcher::only(parse_platform(wanted, host_amd64()));
    for (std::size_t i = 0; i < order.size(); ++i)
      EXPECT_EQ(matcher.rank(parse_platform(order[i], host_amd64())), i) << wanted << " and " << order[i];
    for (const char* other : refused)
      EXPECT_EQ(matcher.rank(parse_platform(other, host_amd64())), std::nullopt) << wanted << " and " << other;
  }
}

TEST(PlatformMatcherTest, StrictIsExactAfterNormalising) {
  struct StrictCase {
    Platform wanted;
    Platform candidate;
    bool matches;
  };
  const StrictCase cases[] = {
      {raw("linux", "arm64"), raw("linux", "arm64", "v8"), true},
      {raw("linux", "arm64", "v8"), raw("linux", "aarch64"), true},
      {raw("linux", "arm"), raw("linux", "arm", "v7"), true},
      {raw("linux", "amd64"), raw("linux", "amd64", "v1"), true},
      {raw("linux", "amd64"), raw("linux", "amd64", "v2"), false},
      {raw("linux", "amd64", "v2"), raw("linux", "amd64"), false},
      {raw("linux", "amd64"), raw("linux", "386"), false},
      {raw("linux", "arm64"), raw("linux", "arm", "v7"), false},
      {raw("linux", "arm", "v7"), raw("linux", "arm", "v6"), false},
      {raw("linux", "amd64"), raw("windows", "amd64"), false},
      {raw("linux", "amd64"), raw("unknown", "unknown"), false},
  };
  for (const auto& [wanted, candidate, matches] : cases)
    EXPECT_EQ(PlatformMatcher::only_strict(wanted).matches(candidate), matches)
        << to_string(wanted) << " and " << to_string(candidate);
}

TEST(PlatformMatcherTest, FeaturesMustBeASubset) {
  Platform wanted = raw("linux", "amd64");
  wanted.os_features = {"c", "a"};
  Platform candidate = raw("linux", "amd64");
  const auto matcher = PlatformMatcher::only(wanted);
  EXPECT_TRUE(matcher.matches(candidate));
  candidate.os_features = {"a", "a"};
  EXPECT_TRUE(matcher.matches(candidate));
  candidate.os_features = {"c", "a"};
  EXPECT_TRUE(matcher.matches(candidate));
  candidate.os_features = {"a", "b"};
  EXPECT_FALSE(matcher.matches(candidate));
  EXPECT_FALSE(PlatformMatcher::only(raw("linux", "amd64")).matches(candidate));
}

TEST(PlatformMatcherTest, VersionsCountForWindowsOnly) {
  const auto matches = [](const char* os, const char* wanted_version, const char* version) {
    Platform wanted = raw(os, "amd64");
    wanted.os_version = wanted_version;
    Platform candidate = raw(os, "amd64");
    candidate.os_version = version;
    return PlatformMatcher::only(wanted).matches(candidate);
  };
  EXPECT_TRUE(matches("linux", "1.2.3", "4.5.6"));
  EXPECT_TRUE(matches("windows", "10.0.17763.1", "10.0.17763.999"));
  EXPECT_FALSE(matches("windows", "10.0.17763", "10.0.14393"));
  EXPECT_FALSE(matches("windows", "10.0.14393", "10.0.17763"));
  EXPECT_TRUE(matches("windows", "10.0.22621", "10.0.20348"));
  EXPECT_FALSE(matches("windows", "10.0.22621", "10.0.17763"));
  EXPECT_FALSE(matches("windows", "10.0.20348", "10.0.22621"));
  EXPECT_FALSE(matches("windows", "10.1.20348", "10.0.20348"));
  EXPECT_TRUE(matches("windows", "", "10.0.14393"));
  EXPECT_TRUE(matches("windows", "10.0.20348", ""));
}

TEST(HostPlatformTest, IsThisMachine) {
  const Platform host = detect_host_platform();
  EXPECT_EQ(host.os, "linux");
#if defined(__x86_64__)
  EXPECT_EQ(host.architecture, "amd64");
  EXPECT_TRUE((std::set<std::string>{"", "v2", "v3", "v4"}.contains(host.variant))) << host.variant;
#elif defined(__aarch64__)
  EXPECT_EQ(host.architecture, "arm64");
  EXPECT_EQ(host.variant, "v8");
#endif
  EXPECT_TRUE(PlatformMatcher::only(host).matches(raw("linux", host.architecture, "")));
}

TEST(HostPlatformTest, ArmVariants) {
  EXPECT_EQ(arm_variant_of("processor : 0\nmodel name\t: ARMv7 Processor\nCPU architecture: 7\n"), "v7");
  EXPECT_EQ(arm_variant_of("model name\t: ARMv6-compatible processor rev 7 (v6l)\nCPU architecture: 7\n"), "v6");
  EXPECT_EQ(arm_variant_of("CPU architecture: 8"), "v8");
  EXPECT_EQ(arm_variant_of("CPU architecture: AArch64\n"), "v8");
  EXPECT_EQ(arm_variant_of("CPU architecture: 6TEJ\n"), "v6");
  EXPECT_EQ(arm_variant_of("CPU architecture: 5TE\n"), "v5");
  EXPECT_EQ(arm_variant_of("no colon\n"), "");
  EXPECT_EQ(arm_variant_of(""), "");
}

}  // namespace
}  // namespace lighterd::oci
