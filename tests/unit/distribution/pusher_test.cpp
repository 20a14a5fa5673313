// SPDX-License-Identifier: Apache-2.0
#include "distribution/pusher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/distribution_fixture.hpp"

namespace lighterd::distribution {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;
using tests::DistributionFixture;
using tests::make_image;
using tests::RecordingProgress;

class PusherTest : public testing::Test, public DistributionFixture {
 protected:
  void publish(const tests::TestImage& image, const std::string& rest) { store.publish(image, name(rest)); }
  std::vector<std::string> push_lines(const std::string& repository, const std::optional<std::string>& tag) {
    RecordingProgress progress;
    push(repository, tag, progress);
    return progress.lines();
  }
  std::string push_error(const std::string& repository, const std::optional<std::string>& tag) {
    RecordingProgress progress;
    try {
      push(repository, tag, progress);
    } catch (const base::Error& error) {
      EXPECT_EQ(progress.lines().front(), "The push refers to repository [" + name(repository) + "]");
      return error.text();
    }
    return "nothing was thrown";
  }
};

TEST_F(PusherTest, SendsBlobsThenManifestAndKeepsEveryByte) {
  const auto image = make_image();
  publish(image, "app:1");
  const auto lines = push_lines("app", "1");
  EXPECT_EQ(lines.front(), "The push refers to repository [" + name("app") + "]");
  for (const auto& [layer, bytes] : image.layers) EXPECT_THAT(lines, Contains(layer.digest.short_hex() + ": Pushed"));
  EXPECT_EQ(lines[lines.size() - 2], "1: digest: " + image.manifest.digest.to_string() +
                                         " size: " + std::to_string(image.manifest_bytes.size()));
  EXPECT_EQ(lines.back(), R"(aux: {"Tag":"1","Digest":")" + image.manifest.digest.to_string() + R"(","Size":)" +
                              std::to_string(image.manifest_bytes.size()) + "}");
  const auto pushed = registry.find_manifest("app", "1");
  ASSERT_TRUE(pushed);
  EXPECT_EQ(*pushed, std::pair(image.manifest.media_type, image.manifest_bytes));
  EXPECT_EQ(registry.find_blob("app", image.config.digest.to_string()), image.config_bytes);
  const auto requests = registry.requests("PUT");
  EXPECT_EQ(requests.back().path, "/v2/app/manifests/1");
}

TEST_F(PusherTest, SendsNothingThatIsThere) {
  const auto image = make_image();
  publish(image, "app:1");
  push_lines("app", "1");
  registry.clear_requests();
  const auto lines = push_lines("app", "1");
  EXPECT_THAT(lines, Contains(image.layers[0].first.digest.short_hex() + ": Layer already exists"));
  EXPECT_EQ(registry.count("PUT", "*"), 0U);
  EXPECT_EQ(registry.count("POST", "*"), 0U);
}

TEST_F(PusherTest, MountsFromTheNearestRepositoryThatIsKnown) {
  const auto image = make_image();
  publish(image, "team/app:1");
  push_lines("team/app", "1");
  store.images().tag(image.manifest.digest, oci::parse_reference(name("team/copy:2")));
  registry.clear_requests();
  const auto lines = push_lines("team/copy", "2");
  for (const auto& [layer, bytes] : image.layers)
    EXPECT_THAT(lines, Contains(layer.digest.short_hex() + ": Mounted from team/app"));
  EXPECT_EQ(registry.count("PUT", "/v2/team/copy/blobs/*"), 0U);
  EXPECT_TRUE(registry.find_manifest("team/copy", "2"));
}

TEST_F(PusherTest, PushesEveryTagOfARepository) {
  publish(make_image({.layers = {"a"}}), "app:a");
  publish(make_image({.layers = {"b"}}), "app:b");
  push_lines("app", std::nullopt);
  EXPECT_TRUE(registry.find_manifest("app", "a"));
  EXPECT_TRUE(registry.find_manifest("app", "b"));
}

TEST_F(PusherTest, SaysWhatIsNotHere) {
  EXPECT_EQ(push_error("app", "1"), "tag does not exist: " + name("app:1"));
  EXPECT_EQ(push_error("app", std::nullopt), "An image does not exist locally with the tag: " + name("app"));
}

struct TwoPlatforms {
  tests::TestImage amd64 = make_image({.architecture = "amd64", .layers = {"amd64"}});
  tests::TestImage arm64 = make_image({.architecture = "arm64", .layers = {"arm64"}});
  std::pair<oci::Descriptor, std::string> index = tests::make_index(
      {{arm64, {.architecture = "arm64", .os = "linux", .os_version = {}, .os_features = {}, .variant = {}}},
       {amd64, {.architecture = "amd64", .os = "linux", .os_version = {}, .os_features = {}, .variant = {}}}});
};

TEST_F(PusherTest, PushesAWholeIndexChildrenFirst) {
  const TwoPlatforms content;
  store.publish_index(content.index, {content.amd64, content.arm64}, name("app:1"));
  push_lines("app", "1");
  EXPECT_EQ(registry.find_manifest("app", "1")->second, content.index.second);
  const auto puts = registry.requests("PUT", "/v2/app/manifests/*");
  ASSERT_EQ(puts.size(), 3U);
  EXPECT_EQ(puts[2].path, "/v2/app/manifests/1");
}

TEST_F(PusherTest, PushesTheHostsPlatformOfAnIndexThatIsHereInPart) {
  const TwoPlatforms content;
  store.publish_index(content.index, {content.amd64}, name("app:1"));
  const auto lines = push_lines("app", "1");
  EXPECT_THAT(lines[1], StartsWith(R"(aux: {"manifestPushedInsteadOfIndex":true,"originalIndex":{)"));
  EXPECT_EQ(registry.find_manifest("app", "1")->second, content.amd64.manifest_bytes);
}

TEST_F(PusherTest, PushesExactlyThePlatformAskedFor) {
  const TwoPlatforms content;
  store.publish_index(content.index, {content.amd64, content.arm64}, name("app:1"));
  RecordingProgress progress;
  push("app", "1", progress, "arm64");
  EXPECT_EQ(registry.find_manifest("app", "1")->second, content.arm64.manifest_bytes);
  EXPECT_THROW(push("app", "1", progress, "s390x"), base::Error);
}

TEST_F(PusherTest, ARefusedBlobEndsThePush) {
  const auto image = make_image();
  publish(image, "app:1");
  registry.add_fault(
      {.method = "POST",
       .path = "/v2/app/blobs/uploads/",
       .times = -1,
       .status = 403,
       .body = R"({"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]})"});
  EXPECT_THAT(push_error("app", "1"), HasSubstr("denied"));
  EXPECT_EQ(registry.count("PUT", "/v2/app/manifests/*"), 0U);
}

}  // namespace
}  // namespace lighterd::distribution
