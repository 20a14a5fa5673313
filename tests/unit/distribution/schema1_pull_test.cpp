// SPDX-License-Identifier: Apache-2.0
#include "distribution/schema1_pull.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/compression.hpp"
#include "tests/support/distribution_fixture.hpp"

namespace lighterd::distribution {
namespace {

using base::ErrorCode;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::RecordingProgress;

struct Layer {
  std::string bytes;
  bool is_throwaway = false;
};

// Unsigned: what a signature is of is RegistryClient's.
std::string make_manifest(const std::vector<Layer>& layers, const std::string& architecture = "amd64") {
  nlohmann::json blobs = nlohmann::json::array();
  nlohmann::json history = nlohmann::json::array();
  std::string parent;
  for (const Layer& layer : layers) {
    const std::string digest = oci::digest_of(base::as_bytes(layer.bytes)).to_string();
    nlohmann::json entry = {{"id", oci::digest_of(base::as_bytes(parent + digest)).hex()},
                            {"created", "2015-01-01T00:00:00Z"},
                            {"docker_version", "1.9.1"},
                            {"os", "linux"},
                            {"architecture", architecture}};
    if (!parent.empty()) entry["parent"] = parent;
    if (layer.is_throwaway) entry["throwaway"] = true;
    parent = entry["id"];
    blobs.insert(blobs.begin(), nlohmann::json{{"blobSum", digest}});
    history.insert(history.begin(), nlohmann::json{{"v1Compatibility", entry.dump()}});
  }
  return nlohmann::json{{"schemaVersion", 1},           {"name", "app"},     {"tag", "1"},
                        {"architecture", architecture}, {"fsLayers", blobs}, {"history", history}}
      .dump();
}

class Schema1PullTest : public testing::Test, public tests::DistributionFixture {
 protected:
  oci::Descriptor serve_schema1(const std::vector<Layer>& layers, const std::string& tag = "1",
                                const std::string& architecture = "amd64") {
    for (const Layer& layer : layers)
      if (!layer.is_throwaway) registry.add_blob("app", layer.bytes);
    return registry.add_manifest("app", tag, std::string(oci::media_type::kDockerSchema1),
                                 make_manifest(layers, architecture));
  }
  std::vector<std::string> pull_lines(const std::string& rest) {
    RecordingProgress progress;
    pull(rest, progress);
    return progress.lines();
  }
  oci::Manifest read_manifest(const std::string& rest) {
    const auto image = store.images().get_image(name(rest));
    const std::string bytes = store.content().read_blob(image.target.digest, oci::kMaxManifestBytes);
    return std::get<oci::Manifest>(oci::parse_document(bytes, image.target.media_type, rest));
  }
  oci::ImageConfig read_config(const std::string& rest) {
    return oci::parse_image_config(store.content().read_blob(read_manifest(rest).config.digest, oci::kMaxConfigBytes));
  }
};

TEST_F(Schema1PullTest, BecomesAnImageOfSchema2) {
  const auto source = serve_schema1({{"base"}, {"nothing", true}, {"top"}, {"base"}});
  const auto lines = pull_lines("app:1");
  EXPECT_EQ(lines.front(), "1: Pulling from app");
  EXPECT_EQ(lines[lines.size() - 2], "Digest: " + source.digest.to_string());
  EXPECT_EQ(lines.back(), "Status: Downloaded newer image for " + name("app:1"));
  const auto manifest = read_manifest("app:1");
  EXPECT_EQ(manifest.media_type, oci::media_type::kDockerManifest);
  ASSERT_EQ(manifest.layers.size(), 3U);
  EXPECT_EQ(manifest.layers[0], tests::descriptor_of("application/vnd.docker.image.rootfs.diff.tar", "base"));
  EXPECT_EQ(manifest.layers[2], manifest.layers[0]);
  const auto config = read_config("app:1");
  EXPECT_EQ(config.history.size(), 4U);
  EXPECT_THAT(config.diff_ids,
              ElementsAre(manifest.layers[0].digest, manifest.layers[1].digest, manifest.layers[2].digest));
  EXPECT_EQ(store.images().get_image(source.digest.to_string()).target.digest,
            store.images().get_image(name("app:1")).target.digest);
  EXPECT_EQ(registry.count("GET", "/v2/app/blobs/*"), 2U) << "each layer once, and nothing for who has none";
  EXPECT_EQ(registry.count("HEAD", "/v2/app/blobs/*"), 2U);
  EXPECT_FALSE(store.content().find_blob(source.digest)) << "nobody could verify it with these bytes";
}

TEST_F(Schema1PullTest, AnUnchangedTagFetchesNoLayer) {
  const auto source = serve_schema1({{"base"}, {"top"}});
  pull_lines("app:1");
  registry.clear_requests();
  EXPECT_THAT(pull_lines("app:1"), ElementsAre("1: Pulling from app", "Digest: " + source.digest.to_string(),
                                               "Status: Image is up to date for " + name("app:1")));
  EXPECT_EQ(registry.count("", "/v2/app/blobs/*"), 0U);
  EXPECT_EQ(store.images().list_images().size(), 1U);
}

TEST_F(Schema1PullTest, AnotherTagOfItReportsWhatIsHere) {
  serve_schema1({{"base"}});
  serve_schema1({{"base"}}, "2");
  pull_lines("app:1");
  EXPECT_THAT(pull_lines("app:2"),
              testing::Contains(oci::digest_of(base::as_bytes("base")).short_hex() + ": Already exists"));
  EXPECT_EQ(store.images().list_images().size(), 1U);
}

TEST_F(Schema1PullTest, ByDigest) {
  const auto source = serve_schema1({{"base"}});
  const std::string reference = "app@" + source.digest.to_string();
  EXPECT_EQ(pull_lines(reference).back(), "Status: Downloaded newer image for " + name(reference));
  EXPECT_EQ(pull_lines(reference).back(), "Status: Image is up to date for " + name(reference));
  const auto image = store.images().get_image(name(reference));
  EXPECT_TRUE(image.tags.empty());
  ASSERT_EQ(image.digest_references.size(), 1U);
  EXPECT_EQ(image.digest_references[0].path(), "app");
}

TEST_F(Schema1PullTest, WhateverHeadSays) {
  serve_schema1({{"base"}});
  for (const tests::Fault& head : std::vector<tests::Fault>{
           {.method = "HEAD", .path = "*/manifests/*", .status = 405},
           {.method = "HEAD", .path = "*/manifests/*", .headers = {{"Content-Type", "application/json"}}},
           {.method = "HEAD",
           .path = "*/manifests/*",
           .headers = {{"Content-Type", std::string(oci::media_type::kDockerManifest)}}}}) {
    registry.add_fault(head);
    EXPECT_NO_THROW(pull_lines("app:1"));
  }
  EXPECT_EQ(read_manifest("app:1").layers.size(), 1U);
}

TEST_F(Schema1PullTest, IsTakenWhateverItsPlatformIs) {
  serve_schema1({{"base"}}, "1", "s390x");
  RecordingProgress progress;
  EXPECT_NO_THROW(pull("app:1", progress, "amd64"));
  EXPECT_EQ(read_config("app:1").platform.architecture, "s390x");
}

TEST_F(Schema1PullTest, IsOnlyOnePlatform) {
  serve_schema1({{"base"}});
  PullRequest request{.reference = oci::parse_reference(name("app:1")), .platforms = {}, .context = {}};
  request.platforms =
      PlatformChoice::these({oci::parse_platform("linux/amd64", host), oci::parse_platform("linux/arm64", host)});
  RecordingProgress progress;
  try {
    Puller(services()).pull(request, progress, {});
    FAIL() << "taken";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.text(), HasSubstr("several platforms"));
  }
}

TEST_F(Schema1PullTest, LayersAreNamedAsWhatTheyAre) {
  const auto compressed = [](const char* filter) { return Layer{tests::compress("a layer", filter)}; };
  serve_schema1({compressed("gzip"), compressed("zstd"), {"a plain tar"}});
  pull_lines("app:1");
  const auto layers = read_manifest("app:1").layers;
  ASSERT_EQ(layers.size(), 3U);
  EXPECT_EQ(layers[0].media_type, oci::media_type::kDockerLayerGzip);
  EXPECT_EQ(layers[1].media_type, "application/vnd.docker.image.rootfs.diff.tar.zstd");
  EXPECT_EQ(layers[2].media_type, "application/vnd.docker.image.rootfs.diff.tar");
  const auto config = read_config("app:1");
  EXPECT_EQ(config.diff_ids[0], oci::digest_of(base::as_bytes("a layer")));
  EXPECT_EQ(config.diff_ids[1], config.diff_ids[0]);

  serve_schema1({compressed("xz")}, "2");
  EXPECT_THAT(pull_error("app:2").second, HasSubstr("cannot be compressed with bzip2 or xz"));
  EXPECT_FALSE(store.images().find_image(name("app:2")));
}

TEST_F(Schema1PullTest, AMissingLayerIsNamed) {
  serve_schema1({{"base"}, {"top"}});
  const auto digest = oci::digest_of(base::as_bytes("top"));
  registry.add_fault({.path = "/v2/app/blobs/" + digest.to_string(), .times = -1, .status = 404});
  const auto [code, text] = pull_error("app:1");
  EXPECT_EQ(code, ErrorCode::kNotFound);
  EXPECT_EQ(text, "blob " + digest.to_string() + " was not found in repository " + name("app"));
  EXPECT_TRUE(store.images().list_images().empty());
}

TEST_F(Schema1PullTest, ADamagedLayerIsNoImage) {
  serve_schema1({{"base"}, {"top"}});
  registry.add_fault({.method = "GET",
                      .path = "/v2/app/blobs/" + oci::digest_of(base::as_bytes("top")).to_string(),
                      .times = -1,
                      .body = "TOP"});
  EXPECT_EQ(pull_error("app:1").first, ErrorCode::kDataLoss);
  EXPECT_TRUE(store.images().list_images().empty());
}

TEST_F(Schema1PullTest, WhatIsWrongIsToldBeforeALayerIsAskedFor) {
  auto manifest = nlohmann::json::parse(make_manifest({{"base"}}));
  const auto serve_edited = [&](const char* key, const nlohmann::json& value) {
    auto entry = nlohmann::json::parse(manifest["history"][0]["v1Compatibility"].get<std::string>());
    entry[key] = value;
    manifest["history"][0]["v1Compatibility"] = entry.dump();
    registry.add_manifest("app", "1", std::string(oci::media_type::kDockerSchema1), manifest.dump());
  };
  serve_edited("config", "text");
  EXPECT_EQ(pull_error("app:1").first, ErrorCode::kInvalidArgument);
  serve_edited("parent", std::string(64, 'a'));
  EXPECT_EQ(pull_error("app:1").second, "Invalid parent ID in the base layer of the image.");
  EXPECT_EQ(registry.count("", "/v2/app/blobs/*"), 0U);
  EXPECT_TRUE(store.files().empty());
}

TEST_F(Schema1PullTest, IsRefusedWhereItIsNotTaken) {
  options.schema1_images = Schema1Images::kRefused;
  const auto source = serve_schema1({{"base"}});
  for (const std::string& reference : {std::string("app:1"), "app@" + source.digest.to_string()}) {
    const auto [code, text] = pull_error(reference);
    EXPECT_EQ(code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(text, HasSubstr("schema 1 support has been removed. Suggest the author of " + name(reference)));
  }
  EXPECT_EQ(registry.count("", "/v2/app/blobs/*"), 0U);
  EXPECT_TRUE(store.files().empty());
}

TEST_F(Schema1PullTest, IsNoPlatformOfAnIndex) {
  auto entry = serve_schema1({{"base"}});
  const nlohmann::json index = {
      {"schemaVersion", 2},
      {"mediaType", oci::media_type::kOciIndex},
      {"manifests", nlohmann::json::array({{{"mediaType", entry.media_type},
                                            {"digest", entry.digest.to_string()},
                                            {"size", entry.size_bytes},
                                            {"platform", {{"os", "linux"}, {"architecture", "amd64"}}}}})}};
  registry.add_manifest("app", "index", std::string(oci::media_type::kOciIndex), index.dump());
  const auto [code, text] = pull_error("app:index");
  EXPECT_EQ(code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(text, HasSubstr("schema 1 support has been removed"));
}

TEST_F(Schema1PullTest, LayersAreListedWithTheirSizes) {
  serve_schema1({{"base"}, {"nothing", true}, {"larger"}, {"base"}});
  const auto manifest = oci::parse_schema1(make_manifest({{"base"}, {"nothing", true}, {"larger"}, {"base"}}));
  RegistryClient client(http, options, oci::parse_repository_name(name("app")), Access::kPull, {}, logger);
  auto daemon = services();
  const auto layers = list_schema1_layers(daemon, client, manifest, {});
  ASSERT_EQ(layers.size(), 3U);
  EXPECT_EQ(layers[0].size_bytes, 4);
  EXPECT_EQ(layers[1].size_bytes, 6);
  EXPECT_EQ(layers[2], layers[0]);
  EXPECT_EQ(registry.count("HEAD", "/v2/app/blobs/*"), 2U);
}

}  // namespace
}  // namespace lighterd::distribution
