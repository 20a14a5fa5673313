// SPDX-License-Identifier: Apache-2.0
#include "cli/environment.hpp"

#include <gtest/gtest.h>

#include <map>

namespace lighterd::cli {
namespace {

constexpr unsigned kSomebody = 1000;

Environment make(const std::map<std::string, std::string>& variables, unsigned user) {
  return make_environment(
      [&variables](const char* name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return std::nullopt;
        return found->second;
      },
      user);
}

TEST(EnvironmentTest, TheDaemonIsWhereItListensByDefault) {
  EXPECT_EQ(make({{"XDG_RUNTIME_DIR", "/run/user/0"}}, 0).host, "unix:///run/lighterd.sock");
  EXPECT_EQ(make({{"XDG_RUNTIME_DIR", "/run/user/1"}, {"HOME", "/home/a"}}, kSomebody).host,
            "unix:///run/user/1/lighterd.sock");
  EXPECT_EQ(make({{"XDG_DATA_HOME", "/data"}, {"HOME", "/home/a"}}, kSomebody).host,
            "unix:///data/lighterd/lighterd.sock");
  EXPECT_EQ(make({{"HOME", "/home/a"}}, kSomebody).host, "unix:///home/a/.local/share/lighterd/lighterd.sock");
  EXPECT_EQ(make({{"XDG_RUNTIME_DIR", "relative"}, {"HOME", "/a"}}, kSomebody).host,
            "unix:///a/.local/share/lighterd/lighterd.sock");
}

TEST(EnvironmentTest, LighterHostWins) {
  EXPECT_EQ(make({{"LIGHTER_HOST", "tcp://a:1"}}, 0).host, "tcp://a:1");
  EXPECT_EQ(make({{"LIGHTER_HOST", ""}}, 0).host, "unix:///run/lighterd.sock");
}

TEST(EnvironmentTest, CredentialsAreWhereDockerAndPodmanHaveThem) {
  using Files = std::vector<std::filesystem::path>;
  EXPECT_EQ(make({{"HOME", "/home/a"}}, kSomebody).auth_files.files, Files{"/home/a/.docker/config.json"});
  EXPECT_EQ(make({{"HOME", "/home/a"}, {"DOCKER_CONFIG", "/c"}}, kSomebody).auth_files.files, Files{"/c/config.json"});
  EXPECT_EQ(make({{"HOME", "/home/a"}, {"XDG_RUNTIME_DIR", "/run/a"}}, kSomebody).auth_files.files,
            (Files{"/home/a/.docker/config.json", "/run/a/containers/auth.json"}));
  const AuthFiles named =
      make({{"HOME", "/home/a"}, {"XDG_RUNTIME_DIR", "/run/a"}, {"REGISTRY_AUTH_FILE", "auth.json"}}, kSomebody)
          .auth_files;
  EXPECT_EQ(named.named, "auth.json");
  EXPECT_EQ(named.files, Files{"/home/a/.docker/config.json"});
  EXPECT_EQ(make({}, kSomebody).auth_files.files, Files{});
}

}  // namespace
}  // namespace lighterd::cli
