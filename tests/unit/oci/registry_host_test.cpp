// SPDX-License-Identifier: Apache-2.0
#include "oci/registry_host.hpp"

#include <gtest/gtest.h>

namespace lighterd::oci {
namespace {

TEST(RegistryHostTest, HubHasManyNames) {
  for (const char* host : {"docker.io", "index.docker.io", "registry-1.docker.io", "www.docker.io"})
    EXPECT_TRUE(is_hub_host(host)) << host;
  for (const char* host : {"", "hub.docker.io", "docker.io.example", "docker.io:443"})
    EXPECT_FALSE(is_hub_host(host)) << host;
}

TEST(RegistryHostTest, AnAddressIsItsHost) {
  EXPECT_EQ(normalize_registry_host("https://index.docker.io/v1/"), "docker.io");
  EXPECT_EQ(normalize_registry_host(" HTTP://A.example:5000/v2 "), "a.example:5000");
  EXPECT_EQ(normalize_registry_host("registry"), "registry");
}

TEST(RepositoryUrlTest, HasTheHostThatWasWritten) {
  const auto url = find_repository_url("http://plain.example:80/app:1");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, UrlScheme::kHttp);
  EXPECT_EQ(url->authority, "plain.example");
  EXPECT_EQ(url->path, "/app:1");
  EXPECT_EQ(find_repository_url("https://registry/app").value().authority, "registry");
  EXPECT_FALSE(find_repository_url("plain.example/app"));
}

TEST(WrittenNameTest, IsOnTheHostThatIsMeant) {
  EXPECT_EQ(parse_written_name("http://plain.example:80/app:1").to_string(), "plain.example/app:1");
  EXPECT_EQ(parse_written_name("https://registry/app").to_string(), "registry:443/app");
  EXPECT_EQ(parse_written_name("http:/registry/app").to_string(), "registry:80/app");
  EXPECT_EQ(parse_written_name("www.docker.io/alpine:3").to_string(), "docker.io/library/alpine:3");
}

}  // namespace
}  // namespace lighterd::oci
