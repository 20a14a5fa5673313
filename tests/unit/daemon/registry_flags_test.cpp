// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "daemon/config.hpp"
#include "daemon/registry_face.hpp"

namespace lighterd::daemon {
namespace {

CommandLine parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "lighterd");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

TEST(RegistryFlagsTest, NoRegistryUnlessAskedFor) {
  const CommandLine line = parse({});
  ASSERT_TRUE(line.config);
  EXPECT_FALSE(line.config->registry.is_enabled());
  EXPECT_EQ(line.config->registry.access.scheme, api::registry::AccessOptions::Scheme::kOpen);
}

TEST(RegistryFlagsTest, UpstreamsComeInFourForms) {
  const CommandLine line = parse({"--registry-listen", "127.0.0.1:5000", "--registry-upstream", "docker.io",
                                  "--registry-upstream", "quay=quay.example", "--registry-upstream", "=docker.io",
                                  "--registry-upstream", "*", "--registry-tag-ttl", "90s"});
  ASSERT_TRUE(line.config) << line.text;
  const RegistryConfig& registry = line.config->registry;
  EXPECT_EQ(registry.upstream.hosts, (std::vector<std::string>{"docker.io", "quay.example", "docker.io", "*"}));
  EXPECT_EQ(registry.upstream.tag_lifetime, std::chrono::seconds(90));
  ASSERT_EQ(registry.policy.prefixes.size(), 2U);
  EXPECT_EQ(registry.policy.prefixes[0].prefix, "quay");
  EXPECT_EQ(registry.policy.prefixes[1].prefix, "");
  EXPECT_EQ(registry.policy.prefixes[1].host, "docker.io");
}

TEST(RegistryFlagsTest, HubHasOneNameHere) {
  RegistryConfig config;
  add_upstream("registry-1.docker.io", config);
  add_upstream("hub=index.docker.io", config);
  EXPECT_EQ(config.upstream.hosts, (std::vector<std::string>{"docker.io", "docker.io"}));
  EXPECT_EQ(config.policy.prefixes.front().host, "docker.io");
}

TEST(RegistryFlagsTest, RetentionIsCountAndAge) {
  const auto rule = parse_retention_rule("team/ci:keep=10,age=30d");
  EXPECT_EQ(rule.prefix, "team/ci");
  EXPECT_EQ(rule.keep_tags, 10U);
  EXPECT_EQ(rule.max_tag_age, std::chrono::hours(30 * 24));
  EXPECT_EQ(parse_retention_rule(":age=12h").prefix, "");
  for (const char* wrong :
       {"team", "team:", "team:keep", "team:keep=0", "team:keep=-1", "team:size=1", "Team:keep=1", "team:age=30",
        "team:age=1y", "team:keep=1,", "team:age=500ms", "team:age=0s", "team:keep=9223372036854775808"})
    EXPECT_THROW(parse_retention_rule(wrong), base::Error) << wrong;
}

TEST(RegistryFlagsTest, AgesHaveAUnit) {
  EXPECT_EQ(parse_age("300ms"), std::chrono::milliseconds(300));
  EXPECT_EQ(parse_age("0s"), std::chrono::milliseconds(0));
  EXPECT_EQ(parse_age("2h"), std::chrono::hours(2));
  for (const char* wrong : {"", "5", "s", "-1s", "1.5h", "99999999999999999999d", "4000000d", "1 s"})
    EXPECT_THROW(parse_age(wrong), base::Error) << wrong;
}

TEST(RegistryFlagsTest, ListenAddressesHaveAPort) {
  EXPECT_EQ(parse_listen_address("127.0.0.1:5000"), (std::pair<std::string, int>("127.0.0.1", 5000)));
  EXPECT_EQ(parse_listen_address("[::1]:0"), (std::pair<std::string, int>("::1", 0)));
  EXPECT_EQ(parse_listen_address(":443"), (std::pair<std::string, int>("", 443)));
  for (const char* wrong : {"", "localhost", "localhost:", "localhost:x", "localhost:70000"})
    EXPECT_THROW(parse_listen_address(wrong), base::Error) << wrong;
}

struct RefusedCase {
  const char* name;
  std::vector<const char*> arguments;
  std::string said;
};

class RefusedRegistryFlagsTest : public testing::TestWithParam<RefusedCase> {};

TEST_P(RefusedRegistryFlagsTest, NameWhatIsWrong) {
  const CommandLine line = parse(GetParam().arguments);
  EXPECT_FALSE(line.config);
  EXPECT_EQ(line.exit_code, 2);
  EXPECT_NE(line.text.find(GetParam().said), std::string::npos) << line.text;
}

INSTANTIATE_TEST_SUITE_P(
    , RefusedRegistryFlagsTest,
    testing::Values(
        RefusedCase{"WithoutListen", {"--registry-read-only"}, "--registry-listen"},
        RefusedCase{
            "CertificateAlone", {"--registry-listen", ":1", "--registry-tls-cert", "/dev/null"}, "--registry-tls-key"},
        RefusedCase{
            "TwoSchemes",
            {"--registry-listen", ":1", "--registry-htpasswd", "/dev/null", "--registry-token-realm", "https://b/"},
            "exclude each other"},
        RefusedCase{"HalfOfTokens",
                    {"--registry-listen", ":1", "--registry-token-realm", "https://b/"},
                    "--registry-token-realm"},
        RefusedCase{"OtherHalfOfTokens",
                    {"--registry-listen", ":1", "--registry-token-service", "a", "--registry-token-issuer", "b"},
                    "need each other"},
        RefusedCase{"EmptyPasswordFile", {"--registry-listen", ":1", "--registry-htpasswd", ""}, "--registry-htpasswd"},
        RefusedCase{"EmptyTokenRealm", {"--registry-listen", ":1", "--registry-token-realm", ""}, "must not be empty"},
        RefusedCase{"TwoRulesOfOnePrefix",
                    {"--registry-listen", ":1", "--registry-retention", "a:keep=1", "--registry-retention", "a:age=1d"},
                    "two rules"},
        RefusedCase{"AnonymousPullOfAnOpenOne",
                    {"--registry-listen", ":1", "--registry-anonymous-pull"},
                    "--registry-htpasswd"},
        RefusedCase{"UpstreamWithoutHost", {"--registry-listen", ":1", "--registry-upstream", "hub"}, "\"hub\""},
        RefusedCase{"PrefixOfEverything", {"--registry-listen", ":1", "--registry-upstream", "a=*"}, "\"a=*\""},
        RefusedCase{"BadDuration", {"--gc-interval", "soon"}, "soon"}),
    [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace lighterd::daemon
