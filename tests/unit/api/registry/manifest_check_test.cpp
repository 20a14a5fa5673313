// SPDX-License-Identifier: Apache-2.0
#include "api/registry/manifest_check.hpp"

#include <gtest/gtest.h>

#include "api/registry/registry_fault.hpp"

namespace lighterd::api::registry {
namespace {

namespace media_type = oci::media_type;

oci::Descriptor descriptor(std::string_view type, const std::string& content, std::vector<std::string> urls = {}) {
  return {.media_type = std::string(type),
          .digest = oci::digest_of(base::as_bytes(content)),
          .size_bytes = static_cast<std::int64_t>(content.size()),
          .urls = std::move(urls)};
}

constexpr std::string_view kForeignLayer = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

oci::Manifest image(std::string_view config_type, std::vector<oci::Descriptor> layers,
                    std::string_view type = media_type::kDockerManifest) {
  return {.media_type = std::string(type),
          .artifact_type = {},
          .config = descriptor(config_type, "config"),
          .layers = std::move(layers),
          .subject = {}};
}

class SomeIdentity final : public Identity {
 public:
  explicit SomeIdentity(std::vector<std::string> classes) : classes_(std::move(classes)) {}
  std::string_view name() const override { return "somebody"; }
  bool may(const Permission&) const override { return true; }
  std::vector<std::string> classes_of(const std::string&) const override { return classes_; }

 private:
  std::vector<std::string> classes_;
};

// Nothing if it was taken.
std::string refusal(const oci::Document& document, const std::vector<std::string>& classes,
                    const std::vector<std::string>& granted) {
  try {
    check_class(document, classes, SomeIdentity(granted), "team/app");
    return "";
  } catch (const RegistryFault& fault) {
    EXPECT_EQ(fault.status(), 403);
    return fault.text();
  }
}

TEST(RequiredContentTest, OfAnImageIsWhatAPullNeeds) {
  const auto layer = descriptor(media_type::kDockerLayerGzip, "layer");
  const auto foreign = descriptor(kForeignLayer, "foreign", {"https://layers.example/1"});
  const auto nowhere = descriptor(kForeignLayer, "nowhere");
  const RequiredContent required = required_content(image(media_type::kDockerConfig, {layer, foreign, nowhere}));
  EXPECT_EQ(required.blobs, (std::vector{descriptor("", "config").digest, layer.digest, nowhere.digest}));
  EXPECT_TRUE(required.manifests.empty());
}

TEST(RequiredContentTest, OfADockerListIsAllAndOfAnOciIndexNothing) {
  oci::Index index{.media_type = std::string(media_type::kDockerList),
                   .artifact_type = {},
                   .manifests = {descriptor(media_type::kDockerManifest, "amd64")},
                   .subject = {}};
  EXPECT_EQ(required_content(index).manifests, (std::vector{index.manifests.front().digest}));
  index.media_type = media_type::kOciIndex;
  EXPECT_TRUE(required_content(index).manifests.empty());
}

TEST(ForeignUrlsTest, AreHttpWithoutFragment) {
  for (const char* url : {"https://layers.example/1", "http://layers.example:8080/1?x=y"})
    EXPECT_NO_THROW(check_urls(image(media_type::kDockerConfig, {descriptor(kForeignLayer, "x", {url})}))) << url;
  for (const char* url : {"ftp://layers.example/1", "file:///etc/passwd", "https://layers.example/1#part", "nonsense"})
    EXPECT_THROW(check_urls(image(media_type::kDockerConfig, {descriptor(kForeignLayer, "x", {url})})), RegistryFault)
        << url;
}

TEST(ForeignUrlsTest, AreAllNamedThatAreWrong) {
  try {
    check_urls(image(media_type::kDockerConfig,
                     {descriptor(kForeignLayer, "a", {"ftp://a/"}), descriptor(kForeignLayer, "b", {"https://b/"}),
                      descriptor(kForeignLayer, "c", {"https://c/", "c"})}));
    FAIL();
  } catch (const RegistryFault& fault) {
    EXPECT_EQ(fault.status(), 400);
    EXPECT_NE(fault.body().find(descriptor("", "a").digest.to_string()), std::string::npos);
    EXPECT_EQ(fault.body().find(descriptor("", "b").digest.to_string()), std::string::npos);
    EXPECT_NE(fault.body().find(descriptor("", "c").digest.to_string()), std::string::npos);
  }
}

TEST(ResourcePolicyTest, AsksNothingWithoutClasses) {
  EXPECT_EQ(refusal(image("application/x", {}, media_type::kOciManifest), {}, {"plugin"}), "");
}

TEST(ResourcePolicyTest, TakesTheClassesThatAreAllowed) {
  const auto plugin = image("application/vnd.docker.plugin.v1+json", {});
  const auto schema2 = image(media_type::kDockerConfig, {});
  const auto oci_image = image(media_type::kOciConfig, {}, media_type::kOciManifest);
  EXPECT_EQ(refusal(schema2, {"image"}, {}), "");
  EXPECT_EQ(refusal(oci_image, {"image"}, {}), "");
  EXPECT_EQ(refusal(plugin, {"plugin"}, {}), "");
  EXPECT_EQ(refusal(plugin, {"image"}, {}), "DENIED: registry does not allow plugin manifest");
  EXPECT_EQ(refusal(schema2, {"plugin"}, {}), "DENIED: registry does not allow image manifest");
}

TEST(ResourcePolicyTest, RefusesWhatHasNoClass) {
  EXPECT_EQ(refusal(image("application/x", {}, media_type::kOciManifest), {"image"}, {}),
            "DENIED: unknown manifest class for application/x");
  EXPECT_EQ(refusal(image("application/x", {}), {"image"}, {}), "DENIED: unknown manifest class for application/x");
}

TEST(ResourcePolicyTest, LetsIndexesPass) {
  const oci::Index index{
      .media_type = std::string(media_type::kOciIndex), .artifact_type = {}, .manifests = {}, .subject = {}};
  EXPECT_EQ(refusal(index, {"plugin"}, {"plugin"}), "");
}

TEST(ResourcePolicyTest, HoldsATokenToItsClass) {
  const auto plugin = image("application/vnd.docker.plugin.v1+json", {});
  const auto schema2 = image(media_type::kDockerConfig, {});
  const std::vector<std::string> both = {"image", "plugin"};
  EXPECT_EQ(refusal(plugin, both, {"plugin"}), "");
  EXPECT_EQ(refusal(schema2, both, {""}), "");
  EXPECT_EQ(refusal(plugin, both, {""}), "DENIED: repository not authorized for plugin manifest");
  EXPECT_EQ(refusal(schema2, both, {"plugin"}), "DENIED: repository not authorized for image manifest");
}

}  // namespace
}  // namespace lighterd::api::registry
