// SPDX-License-Identifier: Apache-2.0
#include "cli/registry_auth.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/json.hpp"
#include "cli/exit_code.hpp"
#include "tests/support/temp_dir.hpp"

namespace lighterd::cli {
namespace {

class RegistryAuthTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) {
    const auto path = folder_.path() / name;
    std::ofstream(path) << text;
    return path;
  }
  // An entry for each key whose user name is the key.
  static std::string auths(const std::vector<std::string>& keys) {
    base::Json entries = base::Json::object();
    for (const auto& key : keys) entries[key] = {{"username", "user of " + key}, {"password", "secret"}};
    return base::to_text(base::Json{{"auths", entries}});
  }
  static base::Json fields(const RegistryAuth& auth) {
    return base::parse_json(base::base64_decode(auth.header.reveal()).value_or("null"), "header");
  }
  std::string user_for(const std::string& name, const std::vector<std::string>& keys) {
    const RegistryAuth auth = find_registry_auth({{write("auth.json", auths(keys))}, {}}, name);
    return auth.header.empty() ? "" : fields(auth).at("username").get<std::string>();
  }

 private:
  tests::TempDir folder_;
};

TEST_F(RegistryAuthTest, TheHeaderIsDockers) {
  const auto file = write("config.json", auths({"localhost:5000"}));
  const RegistryAuth auth = find_registry_auth({{file}, {}}, "localhost:5000/team/app:1");
  EXPECT_EQ(fields(auth),
            (base::Json{
                {"username", "user of localhost:5000"}, {"password", "secret"}, {"serveraddress", "localhost:5000"}}));
  EXPECT_EQ(auth.header.reveal().find_first_of("+/"), std::string::npos);
}

TEST_F(RegistryAuthTest, TheHeaderIsInTheAlphabetOfUrls) {
  const auto file = write("config.json", R"({"auths":{"a.example":{"username":"~~~???>>>","password":"ÿÿÿ"}}})");
  EXPECT_EQ(find_registry_auth({{file}, {}}, "a.example/b").header.reveal().find_first_of("+/"), std::string::npos);
}

TEST_F(RegistryAuthTest, HubHasManyNames) {
  const std::string key = "https://index.docker.io/v1/";
  EXPECT_EQ(user_for("alpine", {key}), "user of " + key);
  EXPECT_EQ(user_for("docker.io/team/app", {"docker.io"}), "user of docker.io");
  EXPECT_EQ(user_for("alpine", {"registry-1.docker.io"}), "user of registry-1.docker.io");
  for (const char* name : {"registry-1.docker.io/team/x", "www.docker.io/alpine", "https://index.docker.io/team/x:1"})
    EXPECT_EQ(user_for(name, {key}), "user of " + key) << name;
  const auto file = write("config.json", auths({key}));
  EXPECT_EQ(fields(find_registry_auth({{file}, {}}, "alpine")).at("serveraddress"), key);
}

TEST_F(RegistryAuthTest, TheLongestKeyCounts) {
  const std::vector<std::string> keys = {"a.example", "a.example/team", "a.example/team/app", "b.example"};
  EXPECT_EQ(user_for("a.example/team/app:1", keys), "user of a.example/team/app");
  EXPECT_EQ(user_for("a.example/team/apple", keys), "user of a.example/team");
  EXPECT_EQ(user_for("a.example/teams/x", keys), "user of a.example");
  EXPECT_EQ(user_for("a.example:5000/team/x", keys), "");
  EXPECT_EQ(user_for("c.example/x", keys), "");
}

TEST_F(RegistryAuthTest, KeysMayBeUrlsAndNamesToo) {
  EXPECT_EQ(user_for("a.example/x", {"https://A.example/v2/"}), "user of https://A.example/v2/");
  EXPECT_EQ(user_for("https://a.example/x:1", {"a.example"}), "user of a.example");
  EXPECT_EQ(user_for("https://docker.io/team/x", {"docker.io"}), "user of docker.io");
  EXPECT_EQ(user_for("https://host/team/x", {"docker.io"}), "");
  EXPECT_EQ(user_for("https:/a.example/x:1", {"a.example"}), "user of a.example");
}

TEST_F(RegistryAuthTest, ThePortOfHttpsNeedsNotBeWritten) {
  for (const char* name : {"https://a.example:443/x", "a.example:443/x", "a.example/x"}) {
    EXPECT_EQ(user_for(name, {"a.example"}), "user of a.example") << name;
    EXPECT_EQ(user_for(name, {"https://a.example:443"}), "user of https://a.example:443") << name;
  }
  EXPECT_EQ(user_for("https://registry/x", {"registry"}), "user of registry");
  EXPECT_EQ(user_for("https://registry/x", {"registry:443"}), "user of registry:443");
  EXPECT_EQ(user_for("http://registry/x", {"registry"}), "");
  const auto file = write("config.json", auths({"registry"}));
  EXPECT_EQ(fields(find_registry_auth({{file}, {}}, "https://registry/x")).at("serveraddress"), "registry:443");
}

TEST_F(RegistryAuthTest, AnIdentityTokenGoesAlone) {
  const auto file = write("config.json", R"({"auths":{"a.example":{"auth":"dTpw","identitytoken":"t"}}})");
  EXPECT_EQ(fields(find_registry_auth({{file}, {}}, "a.example/b")),
            (base::Json{{"username", "u"}, {"identitytoken", "t"}, {"serveraddress", "a.example"}}));
}

TEST_F(RegistryAuthTest, TheFirstFileThatHasSomethingCounts) {
  const auto first = write("first.json", auths({"a.example"}));
  const auto second = write("second.json", R"({"auths":{"a.example":{"auth":"dTpw"},"b.example":{"auth":"dTpw"}}})");
  EXPECT_EQ(fields(find_registry_auth({{first, second}, {}}, "a.example/x")).at("username"), "user of a.example");
  EXPECT_EQ(fields(find_registry_auth({{first, second}, {}}, "b.example/x")).at("username"), "u");
  EXPECT_TRUE(find_registry_auth({{"/nonexistent", first}, {}}, "c.example/x").header.empty());
}

TEST_F(RegistryAuthTest, HelpersAreNamedAndNotRun) {
  const auto store = write("store.json", R"({"auths":{"a.example":{}},"credsStore":"desktop"})");
  EXPECT_EQ(find_registry_auth({{store}, {}}, "a.example/x").helpers, store);
  EXPECT_TRUE(find_registry_auth({{store}, {}}, "a.example/x").header.empty());
  const auto helper = write("helper.json", R"({"credHelpers":{"b.example":"b"}})");
  EXPECT_EQ(find_registry_auth({{helper}, {}}, "b.example/x").helpers, helper);
  EXPECT_TRUE(find_registry_auth({{helper}, {}}, "a.example/x").helpers.empty());
}

TEST_F(RegistryAuthTest, WhatCannotBeReadIsNotQuoted) {
  for (const char* text : {"hunter2", "[]", R"({"auths":{"a.example":"hunter2"}})", R"({"auths":"hunter2"})",
                           R"({"auths":{"a.example":{"auth":"hunter2!"}}})"}) {
    try {
      find_registry_auth({{write("bad.json", text)}, {}}, "a.example/x");
      ADD_FAILURE() << "taken: " << text;
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.exit_code(), ExitCode::kUsage);
      EXPECT_EQ(failure.text().find("hunter2"), std::string::npos) << failure.text();
    }
  }
}

TEST_F(RegistryAuthTest, WhyAFileCannotBeReadIsSaid) {
  const auto text_for = [](const AuthFiles& files) {
    try {
      find_registry_auth(files, "a.example/x");
      return std::string("read");
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.exit_code(), ExitCode::kUsage);
      return failure.text();
    }
  };
  const auto file = write("auth.json", "{}");
  EXPECT_NE(text_for({{}, "/nonexistent"}).find("No such file"), std::string::npos);
  EXPECT_EQ(text_for({{"/nonexistent"}, file}), "read");
  EXPECT_NE(text_for({{file.parent_path()}, {}}).find("Is a directory"), std::string::npos);
  const auto loop = file.parent_path() / "loop";
  std::filesystem::create_symlink(loop, loop);
  EXPECT_NE(text_for({{loop}, {}}).find("Too many levels"), std::string::npos);
  EXPECT_NE(text_for({{write("large.json", std::string(5 << 20, ' '))}, {}}).find("larger than"), std::string::npos);
}

TEST_F(RegistryAuthTest, TheNamedFileIsAskedFirst) {
  const auto named = write("named.json", R"({"auths":{"a.example":{"auth":"dTpw"}}})");
  const auto other = write("other.json", auths({"a.example", "b.example"}));
  EXPECT_EQ(fields(find_registry_auth({{other}, named}, "a.example/x")).at("username"), "u");
  EXPECT_EQ(fields(find_registry_auth({{other}, named}, "b.example/x")).at("username"), "user of b.example");
}

TEST_F(RegistryAuthTest, ANameThatIsNoneHasNoCredentials) {
  EXPECT_EQ(user_for("UPPER/x y", {"docker.io"}), "");
}

}  // namespace
}  // namespace lighterd::cli
