// SPDX-License-Identifier: Apache-2.0
#include "distribution/auth_config.hpp"

#include <gtest/gtest.h>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::distribution {
namespace {

TEST(ParseRegistryAuth, ReadsEveryClientsSpelling) {
  const AuthConfig docker = parse_registry_auth(base::base64_encode(
      R"({"username":"u","password":"p","auth":"dTpw","email":"x","serveraddress":"https://h/v1/"})"));
  EXPECT_EQ(docker.username, "u");
  EXPECT_EQ(docker.password.reveal(), "p");
  EXPECT_EQ(docker.server_address, "https://h/v1/");
  const AuthConfig python =
      parse_registry_auth(base::base64_encode(R"({"Username":"u","Password":"p>>>???","IdentityToken":null})"));
  EXPECT_EQ(python.password.reveal(), "p>>>???");
  EXPECT_TRUE(python.identity_token.empty());
  const AuthConfig helper = parse_registry_auth(base::base64_encode(R"({"username":"<token>","password":"refresh"})"));
  EXPECT_EQ(helper.identity_token.reveal(), "refresh");
  EXPECT_TRUE(helper.username.empty());
  EXPECT_FALSE(helper.is_anonymous());
  const AuthConfig file = parse_registry_auth(base::base64_encode(R"({"auth":"dTpwOjE="})"));
  EXPECT_EQ(file.username, "u");
  EXPECT_EQ(file.password.reveal(), "p:1");
  EXPECT_TRUE(parse_registry_auth(base::base64_encode(R"({"auth":"dQ=="})")).is_anonymous());
  EXPECT_EQ(parse_registry_auth(base::base64_encode(R"({"registrytoken":"t"})")).registry_token.reveal(), "t");
}

TEST(ParseRegistryAuth, TakesWhatItCannotReadAsAnonymous) {
  for (const std::string header : {"", "e30=", "e30", "!!!", "bm90IGpzb24=", "W10=", "eyJ1c2VybmFtZSI6MX0="}) {
    EXPECT_TRUE(parse_registry_auth(header).is_anonymous()) << header;
  }
  EXPECT_TRUE(parse_registry_auth(base::base64_encode(R"({"username":"u","password":"p"} {})")).is_anonymous());
}

TEST(ParseAuthJson, RefusesWhatIsNoObject) {
  EXPECT_EQ(parse_auth_json(R"({"username":"u","password":"p"})").username, "u");
  for (const char* text : {"", "[]", "{", "{}{}", R"({"username":{}})"}) {
    EXPECT_THROW(parse_auth_json(text), base::Error) << text;
  }
}

struct ForCase {
  const char* address;
  const char* registry;
  bool expected;
};
class IsFor : public testing::TestWithParam<ForCase> {};
TEST_P(IsFor, ComparesHostAndPort) {
  AuthConfig config;
  config.server_address = GetParam().address;
  EXPECT_EQ(config.is_for(GetParam().registry), GetParam().expected) << GetParam().address;
}
INSTANTIATE_TEST_SUITE_P(Table, IsFor,
                         testing::Values(ForCase{"", "anything:1", true},
                                         ForCase{"https://index.docker.io/v1/", "docker.io", true},
                                         ForCase{"registry-1.docker.io", "docker.io", true},
                                         ForCase{"https://index.docker.io/v1/", "ghcr.io", false},
                                         ForCase{"http://LOCALHOST:5000/v2/", "localhost:5000", true},
                                         ForCase{"localhost:5000", "localhost:5001", false},
                                         ForCase{"example.com", "sub.example.com", false},
                                         ForCase{"example.com", "example.com:443", false}));

}  // namespace
}  // namespace lighterd::distribution
