// SPDX-License-Identifier: Apache-2.0
#include "distribution/remote_name.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace lighterd::distribution {
namespace {

struct NameCase {
  std::string name;
  std::string text;
  std::string expected;
};

class RemoteNameTest : public testing::TestWithParam<NameCase> {};

TEST_P(RemoteNameTest, IsReadAsPeopleHaveIt) {
  RegistryOptions options;
  options.insecure_registries = {"plain.example"};
  EXPECT_EQ(parse_remote_name(GetParam().text, options).to_string(), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Names, RemoteNameTest,
    testing::Values(NameCase{"reference", "alpine:3", "docker.io/library/alpine:3"},
                    NameCase{"host", "quay.example/team/app", "quay.example/team/app"},
                    NameCase{"host_and_port", "quay.example:5000/team/app:1", "quay.example:5000/team/app:1"},
                    NameCase{"url", "https://quay.example/team/app:1", "quay.example/team/app:1"},
                    NameCase{"url_with_one_slash", "https:/quay.example/team/app:1", "quay.example/team/app:1"},
                    NameCase{"url_with_port", "https://quay.example:8443/app", "quay.example:8443/app"},
                    NameCase{"port_of_https", "https://quay.example:443/app", "quay.example/app"},
                    NameCase{"port_of_the_other_scheme", "https://quay.example:80/app", "quay.example:80/app"},
                    NameCase{"port_that_nobody_wrote_a_scheme_for", "quay.example:443/app", "quay.example:443/app"},
                    NameCase{"http", "http://plain.example/app", "plain.example/app"},
                    NameCase{"port_of_http", "http://plain.example:80/app", "plain.example/app"},
                    NameCase{"http_of_loopback", "http://127.0.0.1:5000/app", "127.0.0.1:5000/app"},
                    NameCase{"host_of_one_word", "https://registry/app", "registry:443/app"},
                    NameCase{"hub_www", "www.docker.io/alpine", "docker.io/library/alpine"},
                    NameCase{"hub_index", "index.docker.io/library/alpine:3", "docker.io/library/alpine:3"},
                    NameCase{"hub_registry", "registry-1.docker.io/team/app", "docker.io/team/app"},
                    NameCase{"hub_url", "https://registry-1.docker.io/library/alpine", "docker.io/library/alpine"},
                    NameCase{"digest", "https://quay.example/app@sha256:" + std::string(64, 'a'),
                             "quay.example/app@sha256:" + std::string(64, 'a')}),
    [](const testing::TestParamInfo<NameCase>& tested) { return tested.param.name; });

TEST(RemoteNameErrorTest, RefusesWhatNamesNothing) {
  for (const char* text :
       {"https://", "https://quay.example", "https://quay.example/", "https:///app", "http://secure.example/app",
        "https://user:word@quay.example/app", "https://quay.example/App"}) {
    try {
      (void)parse_remote_name(text, {});
      ADD_FAILURE() << text;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument) << text;
    }
  }
}

}  // namespace
}  // namespace lighterd::distribution
