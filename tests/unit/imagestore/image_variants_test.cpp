// SPDX-License-Identifier: Apache-2.0
// Several platforms of one image side by side: what the rows say of each, and removing one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "imagestore/image_store.hpp"
#include "tests/support/test_store.hpp"

namespace lighterd::imagestore {
namespace {

using testing::UnorderedElementsAre;
using tests::make_image;
using tests::TestImage;
using tests::TestStore;
using Kind = ManifestEntry::Kind;

oci::Platform linux_on(const std::string& architecture) {
  return {.architecture = architecture, .os = "linux", .os_version = {}, .os_features = {}, .variant = {}};
}

const oci::Platform kUnknown{
    .architecture = "unknown", .os = "unknown", .os_version = {}, .os_features = {}, .variant = {}};

std::int64_t bytes_of(const TestImage& image) {
  std::int64_t bytes = image.manifest.size_bytes + image.config.size_bytes;
  for (const auto& [layer, content] : image.layers) bytes += layer.size_bytes;
  return bytes;
}

// Two platforms that share a layer, each with an attestation.
struct Attested {
  TestImage amd64 = make_image({.architecture = "amd64", .layers = {"shared", "amd64"}, .labels = {{"on", "amd64"}}});
  TestImage arm64 = make_image({.architecture = "arm64", .layers = {"shared", "arm64"}, .labels = {{"on", "arm64"}}});
  TestImage amd64_note = tests::make_attestation(amd64);
  TestImage arm64_note = tests::make_attestation(arm64);
  std::pair<oci::Descriptor, std::string> index = tests::make_index(
      {{amd64, linux_on("amd64")}, {arm64, linux_on("arm64")}, {amd64_note, kUnknown}, {arm64_note, kUnknown}});
  std::vector<TestImage> all = {amd64, arm64, amd64_note, arm64_note};
};

class ImageVariantsTest : public ::testing::Test {
 protected:
  std::vector<std::string> platforms(const std::string& name) {
    std::vector<std::string> shown;
    for (const auto& variant : store_.images().list_variants(store_.images().get_image(name).target.digest))
      shown.push_back(oci::to_string(variant.platform));
    return shown;
  }
  std::vector<ManifestEntry> entries(const std::string& name) {
    return store_.images().list_entries(store_.images().get_image(name).target.digest);
  }
  bool is_here(const oci::Descriptor& descriptor) {
    return store_.content().find_blob(descriptor.digest) &&
           std::filesystem::exists(store_.content().blob_path(descriptor.digest));
  }

  Attested image_;
  TestStore store_;
};

TEST_F(ImageVariantsTest, EntriesTellWhatIsThereWithoutReadingADocument) {
  store_.publish_index(image_.index, {image_.arm64, image_.arm64_note}, "app:1");
  const auto shown = entries("app:1");
  ASSERT_EQ(shown.size(), 4U);
  EXPECT_EQ(shown[0].kind, Kind::kImage);
  EXPECT_EQ(shown[0].digest, image_.amd64.manifest.digest);
  EXPECT_EQ(shown[0].platform_json, R"({"architecture":"amd64","os":"linux"})");
  EXPECT_FALSE(shown[0].is_complete);
  EXPECT_EQ(shown[0].content_bytes, 0);
  EXPECT_EQ(shown[1].kind, Kind::kImage);
  EXPECT_TRUE(shown[1].is_complete);
  EXPECT_EQ(shown[1].content_bytes, bytes_of(image_.arm64));
  EXPECT_EQ(shown[2].kind, Kind::kAttestation);
  EXPECT_EQ(shown[2].described, image_.amd64.manifest.digest.to_string());
  EXPECT_FALSE(shown[2].is_complete);
  EXPECT_EQ(shown[3].kind, Kind::kAttestation);
  EXPECT_EQ(shown[3].content_bytes, bytes_of(image_.arm64_note));
  EXPECT_TRUE(shown[3].is_complete);
}

TEST_F(ImageVariantsTest, ANestedIndexThatIsNotHereIsAnEntryItself) {
  const auto nested = tests::make_index({{image_.arm64, linux_on("arm64")}});
  const TestImage below{.manifest = nested.first,
                        .manifest_bytes = nested.second,
                        .config = nested.first,
                        .config_bytes = {},
                        .layers = {}};
  const auto index = tests::make_index({{image_.amd64, linux_on("amd64")}, {below, linux_on("arm64")}});
  store_.publish_index(index, {image_.amd64}, "app:1");
  auto shown = entries("app:1");
  ASSERT_EQ(shown.size(), 2U);
  EXPECT_TRUE(shown[0].is_complete);
  EXPECT_EQ(shown[1].kind, Kind::kOther);
  EXPECT_EQ(shown[1].digest, nested.first.digest);
  EXPECT_FALSE(shown[1].is_complete);
  EXPECT_EQ(shown[1].content_bytes, 0);

  store_.publish_index(nested, {image_.arm64}, "nested:1");
  shown = entries("app:1");
  ASSERT_EQ(shown.size(), 2U);
  EXPECT_EQ(shown[1].digest, image_.arm64.manifest.digest) << "it stands for what it has";
  EXPECT_TRUE(shown[1].is_complete);
}

TEST_F(ImageVariantsTest, AnImageWithoutIndexIsItsOwnEntry) {
  store_.publish(image_.amd64, "app:1");
  const auto shown = entries("app:1");
  ASSERT_EQ(shown.size(), 1U);
  EXPECT_EQ(shown[0].kind, Kind::kImage);
  EXPECT_EQ(shown[0].platform_json, R"({"architecture":"amd64","os":"linux"})");
  EXPECT_EQ(shown[0].content_bytes, bytes_of(image_.amd64));
  EXPECT_EQ(shown[0].descriptor_json, R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
                                          image_.amd64.manifest.digest.to_string() + R"(","size":)" +
                                          std::to_string(image_.amd64.manifest.size_bytes) + "}");
  EXPECT_TRUE(store_.images().list_entries(image_.arm64.manifest.digest).empty());
}

TEST_F(ImageVariantsTest, AnAttestationIsNeverAPlatform) {
  store_.publish_index(image_.index, {image_.amd64_note}, "app:1");
  EXPECT_TRUE(platforms("app:1").empty());
  EXPECT_FALSE(store_.images().get_image("app:1").manifest);
}

TEST_F(ImageVariantsTest, ContentThatComesLaterCompletesAManifest) {
  const auto lease = store_.content().make_lease("test");
  store_.put(image_.amd64.manifest.media_type, image_.amd64.manifest_bytes, lease);
  store_.put(image_.amd64.config.media_type, image_.amd64.config_bytes, lease);
  Publication publication{.target = image_.amd64.manifest};
  publication.manifests.push_back(
      {image_.amd64.manifest, oci::parse_document(image_.amd64.manifest_bytes, "", "test"), std::nullopt});
  publication.name = oci::parse_reference("app:1");
  store_.images().publish(publication);
  EXPECT_FALSE(entries("app:1")[0].is_complete);
  EXPECT_EQ(entries("app:1")[0].content_bytes, image_.amd64.manifest.size_bytes + image_.amd64.config.size_bytes);
  EXPECT_TRUE(platforms("app:1").empty());

  store_.publish(image_.amd64, "app:2");
  EXPECT_TRUE(entries("app:1")[0].is_complete);
  EXPECT_EQ(platforms("app:1"), std::vector<std::string>{"linux/amd64"});
}

TEST_F(ImageVariantsTest, EveryImageAboveAPublishedManifestIsRefreshed) {
  store_.publish_index(image_.index, {image_.arm64}, "app:1");
  EXPECT_EQ(store_.images().get_image("app:1").labels_json, R"({"on":"arm64"})");
  store_.publish(image_.amd64, "alone:1");
  const ImageRecord image = store_.images().get_image("app:1");
  EXPECT_EQ(image.manifest, image_.amd64.manifest.digest);
  EXPECT_EQ(image.labels_json, R"({"on":"amd64"})");
  EXPECT_EQ(image.content_bytes, image_.index.first.size_bytes + bytes_of(image_.amd64) + bytes_of(image_.arm64) -
                                     image_.amd64.layers[0].first.size_bytes);
}

TEST_F(ImageVariantsTest, RemovesOnePlatformAndKeepsWhatOthersNeed) {
  store_.publish_index(image_.index, image_.all, "app:1");
  EXPECT_THAT(store_.images().remove_variants({image_.amd64.manifest.digest}),
              UnorderedElementsAre(image_.amd64.manifest.digest));
  EXPECT_EQ(platforms("app:1"), std::vector<std::string>{"linux/arm64"});
  const ImageRecord image = store_.images().get_image("app:1");
  EXPECT_EQ(image.manifest, image_.arm64.manifest.digest);
  EXPECT_EQ(image.labels_json, R"({"on":"arm64"})");
  EXPECT_EQ(image.content_bytes, image_.index.first.size_bytes + bytes_of(image_.arm64) + bytes_of(image_.arm64_note));
  EXPECT_FALSE(is_here(image_.amd64.manifest));
  EXPECT_FALSE(is_here(image_.amd64.config));
  EXPECT_FALSE(is_here(image_.amd64.layers[1].first));
  EXPECT_FALSE(is_here(image_.amd64_note.manifest));
  EXPECT_FALSE(is_here(image_.amd64_note.layers[0].first));
  EXPECT_TRUE(is_here(image_.amd64.layers[0].first)) << "the other platform has it as well";
  EXPECT_TRUE(is_here(image_.arm64_note.layers[0].first));
  EXPECT_FALSE(entries("app:1")[0].is_complete);
  EXPECT_TRUE(store_.images().remove_variants({image_.amd64.manifest.digest}).empty());

  store_.publish_index(image_.index, {image_.amd64}, "app:1");
  EXPECT_EQ(platforms("app:1").size(), 2U) << "it can come back";
}

TEST_F(ImageVariantsTest, AnImageWithoutPlatformsStays) {
  store_.publish_index(image_.index, image_.all, "app:1");
  store_.images().remove_variants({image_.amd64.manifest.digest, image_.arm64.manifest.digest});
  const ImageRecord image = store_.images().get_image("app:1");
  EXPECT_FALSE(image.manifest);
  EXPECT_EQ(image.content_bytes, image_.index.first.size_bytes);
  EXPECT_EQ(image.labels_json, "{}");
  EXPECT_EQ(store_.files(), std::vector<std::string>{image_.index.first.digest.to_string()});
  store_.reopen(std::chrono::hours(0));
  EXPECT_TRUE(store_.images().find_image("app:1"));
}

TEST_F(ImageVariantsTest, AManifestThatIsAnImageItselfStaysWithoutItsContent) {
  store_.publish_index(image_.index, {image_.amd64, image_.arm64}, "app:1");
  store_.publish(image_.amd64, "alone:1");
  store_.images().remove_variants({image_.amd64.manifest.digest});
  EXPECT_TRUE(is_here(image_.amd64.manifest));
  EXPECT_FALSE(is_here(image_.amd64.layers[1].first));
  EXPECT_TRUE(platforms("alone:1").empty());
  EXPECT_EQ(store_.images().get_image("alone:1").content_bytes,
            image_.amd64.manifest.size_bytes + image_.amd64.layers[0].first.size_bytes);
  EXPECT_FALSE(entries("alone:1")[0].is_complete);
  EXPECT_EQ(platforms("app:1"), std::vector<std::string>{"linux/arm64"});
}

TEST_F(ImageVariantsTest, ALeaseKeepsThePlatformThatIsBeingSent) {
  store_.publish_index(image_.index, {image_.amd64}, "app:1");
  const auto lease = store_.content().make_lease("push");
  for (const auto& descriptor : {image_.amd64.manifest, image_.amd64.config, image_.amd64.layers[1].first})
    ASSERT_TRUE(store_.content().find_blob(descriptor.digest, lease));
  store_.images().remove_variants({image_.amd64.manifest.digest});
  EXPECT_TRUE(platforms("app:1").empty());
  for (const auto& descriptor : {image_.amd64.manifest, image_.amd64.config, image_.amd64.layers[1].first})
    EXPECT_TRUE(is_here(descriptor));
  EXPECT_FALSE(is_here(image_.amd64.layers[0].first));
}

// An index may say of anything that it describes something.
TEST_F(ImageVariantsTest, WhatAnotherIndexHasAsAnImageIsNoAttestation) {
  store_.publish_index(image_.index, {image_.amd64, image_.arm64}, "app:1");
  TestImage claimed = image_.arm64;
  claimed.manifest.annotations = {{"vnd.docker.reference.type", "attestation-manifest"},
                                  {"vnd.docker.reference.digest", image_.amd64.manifest.digest.to_string()}};
  const auto hostile = tests::make_index({{image_.amd64, linux_on("amd64")}, {claimed, kUnknown}});
  store_.publish_index(hostile, {image_.amd64}, "hostile:1");
  store_.images().remove_variants({image_.amd64.manifest.digest});
  EXPECT_EQ(platforms("app:1"), std::vector<std::string>{"linux/arm64"});
}

TEST_F(ImageVariantsTest, SharedBytesAreOfWhatAnotherImageHas) {
  store_.publish_index(image_.index, {image_.amd64}, "app:1");
  store_.publish(make_image({.layers = {"shared", "more"}}), "other:1");
  store_.publish(make_image({.layers = {"alone"}}), "alone:1");
  const auto shared = store_.images().shared_bytes();
  EXPECT_EQ(shared.size(), 2U);
  EXPECT_EQ(shared.at(image_.index.first.digest), 6);
}

TEST_F(ImageVariantsTest, AStoreOfTheFirstSchemaLearnsAllOfIt) {
  store_.publish_index(image_.index, {image_.arm64, image_.arm64_note}, "app:1");
  const auto before = entries("app:1");
  store_.execute(tests::kBackToVersion2);
  store_.execute(
      "DROP TRIGGER blob_arrives; DROP TRIGGER blob_goes; DROP INDEX link_by_described;"
      "ALTER TABLE link DROP COLUMN entry; ALTER TABLE link DROP COLUMN platform;"
      "ALTER TABLE link DROP COLUMN described; ALTER TABLE link DROP COLUMN is_foreign;"
      "ALTER TABLE manifest DROP COLUMN content_size;"
      "ALTER TABLE manifest DROP COLUMN missing; PRAGMA user_version=1;");
  store_.reopen();
  const auto after = entries("app:1");
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i].kind, before[i].kind);
    EXPECT_EQ(after[i].platform_json, before[i].platform_json);
    EXPECT_EQ(after[i].described, before[i].described);
    EXPECT_EQ(after[i].content_bytes, before[i].content_bytes);
    EXPECT_EQ(after[i].is_complete, before[i].is_complete);
  }
  store_.publish_index(image_.index, {image_.amd64}, "app:1");
  EXPECT_EQ(platforms("app:1").size(), 2U);
}

}  // namespace
}  // namespace lighterd::imagestore
