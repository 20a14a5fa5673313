// SPDX-License-Identifier: Apache-2.0
#include "distribution/auth_file.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "tests/support/temp_dir.hpp"

namespace lighterd::distribution {
namespace {

class AuthFileTest : public testing::Test {
 protected:
  void write(const std::string& text) { std::ofstream(file) << text; }
  void write_entry(const std::string& key, const std::string& entry) {
    write(R"({"auths":{")" + key + "\":" + entry + R"(},"credsStore":"nothing"})");
  }
  tests::TempDir folder;
  const std::filesystem::path file = folder.path() / "auth.json";
};

const std::string kPair = R"({"auth":")" + base::base64_encode("user:pass:word") + "\"}";

struct MatchCase {
  const char* name;
  const char* key;
  const char* host;
  bool expected;
};
class AuthFileMatch : public AuthFileTest, public testing::WithParamInterface<MatchCase> {};
TEST_P(AuthFileMatch, IsByHostAndPort) {
  write_entry(GetParam().key, kPair);
  const AuthConfig found = find_file_credentials(file, GetParam().host);
  EXPECT_EQ(!found.is_anonymous(), GetParam().expected);
  if (!GetParam().expected) return;
  EXPECT_EQ(found.username, "user");
  EXPECT_EQ(found.password.reveal(), "pass:word");
}
INSTANTIATE_TEST_SUITE_P(Table, AuthFileMatch,
                         testing::Values(MatchCase{"same", "reg.example:5000", "reg.example:5000", true},
                                         MatchCase{"case", "REG.example", "reg.example", true},
                                         MatchCase{"url", "https://reg.example/v1/", "reg.example", true},
                                         MatchCase{"v2", "https://reg.example/v2", "reg.example", true},
                                         MatchCase{"other_port", "reg.example:5000", "reg.example:5001", false},
                                         MatchCase{"no_port", "reg.example", "reg.example:5000", false},
                                         MatchCase{"sub_domain", "example", "reg.example", false},
                                         MatchCase{"super_domain", "reg.example", "example", false},
                                         MatchCase{"namespace_of_it", "reg.example/team", "reg.example", false},
                                         MatchCase{"empty", "", "reg.example", false},
                                         MatchCase{"only_scheme", "https://", "reg.example", false},
                                         MatchCase{"hub", "https://index.docker.io/v1/", "registry-1.docker.io", true},
                                         MatchCase{"hub_short", "docker.io", "registry-1.docker.io", true},
                                         MatchCase{"not_hub", "https://index.docker.io/v1/", "mirror.example", false}),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_F(AuthFileTest, PlainHttpIsAskedForByTheKey) {
  for (const auto& [key, expected] :
       {std::pair("reg.example", false), std::pair("https://reg.example", false), std::pair("http://reg.example", true),
        std::pair("HTTP://reg.example/v1/", true), std::pair("http", false)}) {
    write_entry(key, kPair);
    const bool found = !find_file_credentials(file, "reg.example", KeyScheme::kHttp).is_anonymous();
    EXPECT_EQ(found, expected) << key;
  }
}

TEST_F(AuthFileTest, ReadsTokensAndPlainFields) {
  write_entry("a", R"({"auth":")" + base::base64_encode("u:") + R"(","identitytoken":"refresh"})");
  EXPECT_EQ(find_file_credentials(file, "a").identity_token.reveal(), "refresh");
  write_entry("a", R"({"auth":")" + base::base64_encode("<token>:refresh") + "\"}");
  EXPECT_EQ(find_file_credentials(file, "a").identity_token.reveal(), "refresh");
  write_entry("a", R"({"username":"u","password":"p"})");
  EXPECT_EQ(find_file_credentials(file, "a").password.reveal(), "p");
  write_entry("a", "{}");
  EXPECT_TRUE(find_file_credentials(file, "a").is_anonymous());
}

TEST_F(AuthFileTest, IsReadAnewAndMayBeMissing) {
  EXPECT_TRUE(find_file_credentials(file, "a").is_anonymous());
  write_entry("a", kPair);
  EXPECT_FALSE(find_file_credentials(file, "a").is_anonymous());
  write(R"({"auths":{}})");
  EXPECT_TRUE(find_file_credentials(file, "a").is_anonymous());
}

TEST_F(AuthFileTest, AFileThatCannotBeReadIsAMistakeInTheConfiguration) {
  const auto code = [&] {
    try {
      find_file_credentials(file, "a");
    } catch (const base::Error& error) {
      return error.code();
    }
    return base::ErrorCode::kInternal;
  };
  write(std::string(2 << 20, ' '));
  EXPECT_EQ(code(), base::ErrorCode::kInvalidArgument);
  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  EXPECT_EQ(code(), base::ErrorCode::kInvalidArgument);
}

TEST_F(AuthFileTest, WhatCannotBeReadIsAnErrorThatQuotesNothing) {
  for (const std::string text : {R"({"auths":{"a":{"auth":"c2VjcmV0"}}})", R"({"auths":{"a":{"auth":"secret!"}}})",
                                 R"({"auths":{"a":"secret"}})", R"({"auths":{"a":{"password":["secret"]}}})",
                                 R"({"auths":["secret"]})", R"(["secret"])", R"({"auths": secret)"}) {
    write(text);
    try {
      find_file_credentials(file, "a");
      FAIL() << text;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
      EXPECT_NE(error.text().find(file.string()), std::string::npos);
      EXPECT_EQ(error.text().find("secret"), std::string::npos) << error.text();
    }
  }
  // Another host's entry is nobody's business here.
  write(R"({"auths":{"b":"junk"}})");
  EXPECT_TRUE(find_file_credentials(file, "a").is_anonymous());
}

}  // namespace
}  // namespace lighterd::distribution
