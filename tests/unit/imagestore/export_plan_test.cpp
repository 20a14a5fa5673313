// SPDX-License-Identifier: Apache-2.0
#include "imagestore/export_plan.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "imagestore/image_exporter.hpp"
#include "tests/support/test_store.hpp"
#include "tests/support/text_sink.hpp"

namespace lighterd::imagestore {
namespace {

using base::Error;
using base::ErrorCode;
using nlohmann::json;
using testing::ElementsAre;
using testing::UnorderedElementsAreArray;
using tests::descriptor_of;
using tests::TestImage;

oci::Platform linux_on(const std::string& architecture) {
  return {.architecture = architecture, .os = "linux", .os_version = {}, .os_features = {}, .variant = {}};
}

std::vector<oci::Digest> digests_of(const TestImage& image) {
  std::vector<oci::Digest> digests = {image.manifest.digest, image.config.digest};
  for (const auto& [layer, bytes] : image.layers) digests.push_back(layer.digest);
  return digests;
}

std::vector<oci::Digest> operator+(std::vector<oci::Digest> a, const std::vector<oci::Digest>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class ExportPlanTest : public ::testing::Test {
 protected:
  ExportPlan plan(const std::vector<std::string>& names, const std::vector<oci::Platform>& platforms = {}) {
    return make_export_plan(store_.content(), store_.images(), {names, platforms});
  }

  ErrorCode failure(const std::vector<std::string>& names, const std::vector<oci::Platform>& platforms = {}) {
    try {
      plan(names, platforms);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kAlreadyExists;
  }

  static std::vector<oci::Digest> blobs_of(const ExportPlan& plan) {
    std::vector<oci::Digest> digests;
    for (const ExportedBlob& blob : plan.blobs) digests.push_back(blob.digest);
    return digests;
  }

  // An index entry that is no image, and its blobs.
  struct Extra {
    oci::Descriptor entry;
    std::vector<oci::Digest> digests;
  };
  Extra put_attestation(const TestImage& subject, const Lease& lease) {
    const auto statement = store_.put("application/vnd.in-toto+json", "{}", lease);
    const auto config = store_.put(oci::media_type::kOciConfig,
                                   R"({"os":"unknown","architecture":"unknown","rootfs":{"type":"layers","diff_ids":[)"
                                   R"("sha256:)" +
                                       std::string(64, 'a') + R"("]}})",
                                   lease);
    const json manifest = {{"schemaVersion", 2},
                           {"mediaType", oci::media_type::kOciManifest},
                           {"config", oci::to_json(config)},
                           {"layers", json::array({oci::to_json(statement)})}};
    Extra extra{store_.put(oci::media_type::kOciManifest, manifest.dump(), lease), {}};
    extra.digests = {extra.entry.digest, config.digest, statement.digest};
    extra.entry.annotations = {{"vnd.docker.reference.type", "attestation-manifest"},
                               {"vnd.docker.reference.digest", subject.manifest.digest.to_string()}};
    return extra;
  }

  tests::TestStore store_;
  const TestImage amd_ = tests::make_image({.layers = {"shared", "amd"}});
  const TestImage arm_ = tests::make_image({.architecture = "arm64", .layers = {"shared", "arm"}});
};

TEST_F(ExportPlanTest, BlobsAreSortedAndNamedOnce) {
  store_.publish(amd_, "a:1");
  store_.publish(arm_, "b:1");
  const ExportPlan both = plan({"a:1", "b", "b:1"});
  EXPECT_TRUE(std::ranges::is_sorted(blobs_of(both)));
  auto expected = digests_of(amd_) + digests_of(arm_);
  expected.erase(std::ranges::find(expected, amd_.layers[0].first.digest));
  EXPECT_THAT(blobs_of(both), UnorderedElementsAreArray(expected));
  EXPECT_THAT(both.images, ElementsAre(amd_.manifest.digest, arm_.manifest.digest));
}

TEST_F(ExportPlanTest, WhatThePlanNamesOutlivesItsImage) {
  store_.publish(amd_, "a:1");
  {
    const ExportPlan held = plan({"a:1"});
    store_.images().remove({.image = amd_.manifest.digest, .even_if_named = true});
    tests::TextSink sink;
    write_archive(held, store_.content(), sink, {});
    EXPECT_GT(sink.text.size(), amd_.manifest_bytes.size());
  }
  EXPECT_EQ(failure({"a:1"}), ErrorCode::kNotFound);
}

TEST_F(ExportPlanTest, OfAnIndexOnlyWholePlatformsAreSaved) {
  const auto index = tests::make_index({{amd_, linux_on("amd64")}, {arm_, linux_on("arm64")}});
  store_.publish_index(index, {amd_}, "multi:1");
  EXPECT_THAT(blobs_of(plan({"multi:1"})),
              UnorderedElementsAreArray(digests_of(amd_) + std::vector{index.first.digest}));
  {
    // The manifest of a platform is here, and a part of its content: the manifest goes along.
    const auto lease = store_.content().make_lease("test");
    store_.put(arm_.manifest.media_type, arm_.manifest_bytes, lease);
    store_.put(arm_.config.media_type, arm_.config_bytes, lease);
    EXPECT_THAT(blobs_of(plan({"multi:1"})),
                UnorderedElementsAreArray(digests_of(amd_) + std::vector{index.first.digest, arm_.manifest.digest}));
  }
}

TEST_F(ExportPlanTest, WhatIsMissingOfTheShownPlatformIsAnError) {
  const auto index = tests::make_index({{amd_, linux_on("amd64")}, {arm_, linux_on("arm64")}});
  store_.publish_index(index, {amd_, arm_}, "multi:1");
  std::filesystem::remove(store_.content().blob_path(amd_.layers[1].first.digest));
  EXPECT_EQ(failure({"multi:1"}), ErrorCode::kDataLoss);
  EXPECT_EQ(failure({"multi:1"}, {linux_on("amd64")}), ErrorCode::kDataLoss);
  EXPECT_THAT(blobs_of(plan({"multi:1"}, {linux_on("arm64")})), UnorderedElementsAreArray(digests_of(arm_)));
}

TEST_F(ExportPlanTest, PlatformsThatAreNotHere) {
  store_.publish(amd_, "a:1");
  EXPECT_EQ(failure({"a:1"}, {linux_on("s390x")}), ErrorCode::kNotFound);
  EXPECT_EQ(failure({"a:1"}, {linux_on("s390x"), linux_on("arm")}), ErrorCode::kNotFound);
  EXPECT_EQ(failure({"a:1"}, {linux_on("s390x"), linux_on("amd64")}), ErrorCode::kAlreadyExists);
}

TEST_F(ExportPlanTest, APlatformTakesItsAttestationAlong) {
  json index = {{"schemaVersion", 2}, {"mediaType", oci::media_type::kOciIndex}, {"manifests", json::array()}};
  const auto lease = store_.content().make_lease("test");
  const Extra of_amd = put_attestation(amd_, lease);
  for (const auto* image : {&amd_, &arm_}) {
    auto entry = image->manifest;
    entry.platform = linux_on(image == &amd_ ? "amd64" : "arm64");
    index["manifests"].push_back(oci::to_json(entry));
  }
  index["manifests"].push_back(oci::to_json(of_amd.entry));
  const std::string bytes = index.dump();
  store_.publish_index({descriptor_of(oci::media_type::kOciIndex, bytes), bytes}, {amd_, arm_}, "multi:1");

  const ExportPlan amd = plan({"multi:1"}, {linux_on("amd64")});
  EXPECT_THAT(blobs_of(amd), UnorderedElementsAreArray(digests_of(amd_) + of_amd.digests));
  const json entries = json::parse(amd.index_json)["manifests"];
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0]["digest"], amd_.manifest.digest.to_string());
  EXPECT_EQ(entries[0]["platform"]["architecture"], "amd64");
  EXPECT_EQ(entries[1]["digest"], of_amd.entry.digest.to_string());
  EXPECT_EQ(entries[1]["annotations"], (json{{"io.containerd.manifest.subject", amd_.manifest.digest.to_string()}}));

  EXPECT_THAT(blobs_of(plan({"multi:1"}, {linux_on("arm64")})), UnorderedElementsAreArray(digests_of(arm_)));
  const std::vector root = {descriptor_of("", bytes).digest};
  EXPECT_THAT(blobs_of(plan({"multi:1"}, {linux_on("arm64"), linux_on("riscv64")})),
              UnorderedElementsAreArray(digests_of(arm_) + root));
  EXPECT_THAT(blobs_of(plan({"multi:1"}, {linux_on("amd64"), linux_on("riscv64")})),
              UnorderedElementsAreArray(digests_of(amd_) + of_amd.digests + root));
}

// Of foreign layers an archive holds nothing, and an artifact is no Docker image.
TEST_F(ExportPlanTest, ForeignLayersAndArtifacts) {
  const auto lease = store_.content().make_lease("test");
  const auto config = store_.put("application/vnd.example.config", "{}", lease);
  const auto content = store_.put("application/vnd.example.content", "content", lease);
  const auto foreign = descriptor_of("application/vnd.oci.image.layer.nondistributable.v1.tar", "foreign");
  const json manifest = {{"schemaVersion", 2},
                         {"mediaType", oci::media_type::kOciManifest},
                         {"artifactType", "application/vnd.example"},
                         {"config", oci::to_json(config)},
                         {"layers", json::array({oci::to_json(content), oci::to_json(foreign)})}};
  const auto target = store_.put(oci::media_type::kOciManifest, manifest.dump(), lease);
  Publication publication{.target = target};
  publication.manifests.push_back({target, oci::parse_document(manifest.dump(), target.media_type, "test")});
  publication.name = oci::parse_reference("artifact:1");
  store_.images().publish(publication);

  const ExportPlan artifact = plan({"artifact:1"});
  EXPECT_THAT(blobs_of(artifact), UnorderedElementsAreArray(std::vector{target.digest, config.digest, content.digest}));
  EXPECT_EQ(artifact.manifest_json, "");
  EXPECT_EQ(json::parse(artifact.index_json)["manifests"].size(), 1U);
}

TEST_F(ExportPlanTest, Sha512HasAFolderOfItsOwn) {
  const auto lease = store_.content().make_lease("test");
  const std::string bytes = "content";
  oci::Descriptor strong{.media_type = "application/vnd.example.content",
                         .digest = oci::digest_of(base::as_bytes(bytes), oci::DigestAlgorithm::kSha512),
                         .size_bytes = 7};
  store_.content().put_blob(strong, bytes, lease);
  const auto config = store_.put("application/vnd.example.config", "{}", lease);
  const json manifest = {{"schemaVersion", 2},
                         {"mediaType", oci::media_type::kOciManifest},
                         {"config", oci::to_json(config)},
                         {"layers", json::array({oci::to_json(strong)})}};
  const auto target = store_.put(oci::media_type::kOciManifest, manifest.dump(), lease);
  Publication publication{.target = target};
  publication.manifests.push_back({target, oci::parse_document(manifest.dump(), target.media_type, "test")});
  publication.name = oci::parse_reference("strong:1");
  store_.images().publish(publication);

  const ExportPlan strong_plan = plan({"strong:1"});
  EXPECT_EQ(strong_plan.blobs.back().digest, strong.digest);
  tests::TextSink sink;
  write_archive(strong_plan, store_.content(), sink, {});
  EXPECT_NE(sink.text.find("path=blobs/sha512/" + strong.digest.hex()), std::string::npos);
  EXPECT_LT(sink.text.find("blobs/sha256/"), sink.text.find("blobs/sha512/"));
}

TEST_F(ExportPlanTest, AWrongByteIsNeverTheLastOne) {
  store_.publish(tests::make_image({.layers = {tests::make_content(1'000'000)}}), "a:1");
  const ExportPlan held = plan({"a:1"});
  const auto largest = std::ranges::max(held.blobs, {}, &ExportedBlob::size_bytes);
  const auto path = store_.content().blob_path(largest.digest);
  std::filesystem::permissions(path, std::filesystem::perms::owner_write, std::filesystem::perm_options::add);
  std::fstream(path).seekp(10) << "x";
  tests::TextSink sink;
  try {
    write_archive(held, store_.content(), sink, {});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kDataLoss);
  }
  EXPECT_EQ(sink.text.find("index.json"), std::string::npos);
  std::filesystem::resize_file(path, 5);
  EXPECT_THROW(write_archive(held, store_.content(), sink, {}), Error);
}

TEST_F(ExportPlanTest, StopsWhenAsked) {
  store_.publish(amd_, "a:1");
  std::stop_source stop;
  stop.request_stop();
  tests::TextSink sink;
  try {
    write_archive(plan({"a:1"}), store_.content(), sink, stop.get_token());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

}  // namespace
}  // namespace lighterd::imagestore
