// SPDX-License-Identifier: Apache-2.0
#include "imagestore/image_loader.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "imagestore/archive_names.hpp"
#include "tests/support/compression.hpp"
#include "tests/support/tar_text.hpp"
#include "tests/support/test_store.hpp"
#include "tests/support/text_source.hpp"

namespace lighterd::imagestore {
namespace {

using base::Error;
using base::ErrorCode;
using nlohmann::json;
using tests::tar_file;

constexpr std::size_t kWhole = SIZE_MAX;

// A tar as far as anybody looks at layers, larger than what is kept in memory.
std::string make_layer(std::int64_t bytes = 100'000) {
  return tar_file("file", tests::make_content(bytes)) + tests::tar_end();
}

json docker_item(const std::string& config, const std::vector<std::string>& layers,
                 const std::vector<std::string>& tags) {
  return {{"Config", config}, {"Layers", layers}, {"RepoTags", tags}};
}

// A docker-archive of one image whose layers are compressed as the filter says.
std::string docker_archive(const tests::TestImage& image, const std::string& filter,
                           const std::vector<std::string>& tags = {"app:1"}) {
  std::string archive = tar_file("config.json", image.config_bytes);
  std::vector<std::string> names;
  for (const auto& [descriptor, bytes] : image.layers) {
    names.push_back(descriptor.digest.hex() + ".tar");
    archive += tar_file(names.back(), filter.empty() ? bytes : tests::compress(bytes, filter));
  }
  return archive + tar_file("manifest.json", json::array({docker_item("config.json", names, tags)}).dump()) +
         tests::tar_end();
}

std::string layout_blob(const oci::Descriptor& descriptor, const std::string& bytes) {
  return tar_file(blob_member(descriptor.digest), bytes);
}

std::string layout_image(const tests::TestImage& image) {
  std::string members =
      layout_blob(image.manifest, image.manifest_bytes) + layout_blob(image.config, image.config_bytes);
  for (const auto& [descriptor, bytes] : image.layers) members += layout_blob(descriptor, bytes);
  return members;
}

std::string layout_end(const json& index) {
  return tar_file("index.json", index.dump()) + tar_file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})") +
         tests::tar_end();
}

json layout_entry(oci::Descriptor descriptor, const std::string& name = {}) {
  if (!name.empty()) descriptor.annotations["io.containerd.image.name"] = name;
  return oci::to_json(descriptor);
}

json layout_index(const std::vector<json>& entries) {
  return {{"schemaVersion", 2}, {"mediaType", oci::media_type::kOciIndex}, {"manifests", entries}};
}

class ImageLoaderTest : public ::testing::Test {
 protected:
  std::vector<LoadedImage> load(const std::string& archive, LoadOptions options = {}, std::size_t piece = kWhole,
                                std::stop_token stop = {}) {
    tests::TextSource source(archive, piece);
    return ImageLoader(store_.content(), store_.images()).load(source, options, stop);
  }

  void expect_refused(const std::string& archive, ErrorCode code, const std::string& text) {
    const auto files = store_.files();
    try {
      load(archive);
      ADD_FAILURE() << "loaded, not refused: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.text();
      EXPECT_NE(error.text().find(text), std::string::npos) << error.text();
    }
    EXPECT_EQ(store_.files(), files);
    EXPECT_TRUE(std::filesystem::is_empty(store_.root() / "ingest"));
  }

  oci::Manifest read_manifest(const oci::Digest& image) {
    const auto bytes = store_.content().read_blob(image, oci::kMaxManifestBytes);
    return std::get<oci::Manifest>(oci::parse_document(bytes, {}, "test"));
  }

  tests::TestStore store_;
};

TEST_F(ImageLoaderTest, LayersWithoutAMediaTypeBecomeGzip) {
  for (const std::string filter : {"bzip2", "xz"}) {
    // One stays in memory otherwise, the other does not.
    const auto image = tests::make_image({.architecture = "amd64", .layers = {make_layer(500), make_layer(300'000)}});
    const auto loaded = load(docker_archive(image, filter, {filter + ":1"}), {}, 1000);
    ASSERT_EQ(loaded.size(), 1U);
    const oci::Manifest manifest = read_manifest(loaded[0].id);
    ASSERT_EQ(manifest.layers.size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(manifest.layers[i].media_type, oci::media_type::kDockerLayerGzip);
      const auto blob = store_.content().find_blob(manifest.layers[i].digest);
      ASSERT_TRUE(blob && blob->layer) << filter;
      EXPECT_EQ(blob->size_bytes, manifest.layers[i].size_bytes);
      EXPECT_EQ(blob->layer->diff_id, image.layers[i].first.digest);
      EXPECT_EQ(store_.content().read_blob(manifest.layers[i].digest, 1'000'000).substr(0, 2), "\x1F\x8B");
    }
  }
}

TEST_F(ImageLoaderTest, WhatADigestNamesIsNotRecompressed) {
  const auto image = tests::make_image({.architecture = "amd64", .layers = {make_layer()}});
  const std::string packed = tests::compress(image.layers[0].second, "xz");
  const std::string name = blob_member(oci::digest_of(base::as_bytes(packed)));
  expect_refused(tar_file("c", image.config_bytes) + tar_file(name, packed) +
                     tar_file("manifest.json", json::array({docker_item("c", {name}, {"app:1"})}).dump()) +
                     tests::tar_end(),
                 ErrorCode::kNotImplemented, "bzip2 or xz");
}

TEST_F(ImageLoaderTest, ADamagedLayerMattersIfItIsOne) {
  const auto image = tests::make_image({.architecture = "amd64", .layers = {make_layer()}});
  const std::string packed = tests::compress(image.layers[0].second, "bzip2");
  const auto with_layer = [&](const std::string& layer) {
    return tar_file("c", image.config_bytes) + tar_file("l", image.layers[0].second) + tar_file("x", layer) +
           tar_file("manifest.json", json::array({docker_item("c", {"l"}, {"app:1"})}).dump()) + tests::tar_end();
  };
  EXPECT_EQ(load(with_layer(packed.substr(0, packed.size() / 2))).size(), 1U);
  auto broken = image;
  broken.layers[0].second = "BZh9 and no more of bzip2";
  expect_refused(docker_archive(broken, ""), ErrorCode::kDataLoss, "bzip2");
  const std::string archive = docker_archive(image, "bzip2");
  expect_refused(archive.substr(0, archive.find("BZh") + 2000), ErrorCode::kDataLoss, "unexpected EOF");
}

TEST_F(ImageLoaderTest, ProgressIsToldHoweverTheArchiveArrives) {
  const auto image = tests::make_image({.architecture = "amd64", .layers = {make_layer(2000)}});
  const std::string archive = docker_archive(image, "");
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{511}, kWhole}) {
    std::vector<MemberProgress> reports;
    load(archive, {.on_progress = [&](const MemberProgress& report) { reports.push_back(report); }}, piece);
    ASSERT_FALSE(reports.empty()) << piece;
    const auto size = static_cast<std::int64_t>(image.layers[0].second.size());
    for (const auto& report : reports) EXPECT_EQ(report.id, image.layers[0].first.digest.hex().substr(0, 12));
    EXPECT_EQ(reports.back().current_bytes, size);
    EXPECT_EQ(reports.back().total_bytes, size);
  }
}

TEST_F(ImageLoaderTest, NoMoreFilesAreOpenThanAProcessMayHave) {
  constexpr rlim_t kOpenFiles = 100;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  std::string archive;
  std::vector<json> entries;
  for (int i = 0; i < 60; ++i) {
    const auto image = tests::make_image({.architecture = "amd64", .layers = {"layer " + std::to_string(i)}});
    archive += layout_image(image);
    entries.push_back(layout_entry(image.manifest));
  }
  archive += layout_end(layout_index(entries));
  const rlimit few{kOpenFiles, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  std::size_t loaded = 0;
  EXPECT_NO_THROW(loaded = load(archive).size());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(loaded, 60U);
}

TEST_F(ImageLoaderTest, NoNameShadowsAnID) {
  const auto image = tests::make_image();
  const auto loaded =
      load(layout_image(image) +
           layout_end(layout_index({layout_entry(image.manifest, "docker.io/library/sha256:abcd1234")})));
  ASSERT_EQ(loaded.size(), 1U);
  EXPECT_FALSE(loaded[0].name);
  expect_refused(docker_archive(image, "", {"sha256:abcd1234"}), ErrorCode::kInvalidArgument, "ambiguous tag");
}

TEST_F(ImageLoaderTest, AnIndexIsOneOrItIsRefused) {
  const auto image = tests::make_image();
  const json good = layout_index({layout_entry(image.manifest)});
  const auto with = [&](const char* key, const json& value) {
    json index = good;
    index[key] = value;
    return layout_image(image) + layout_end(index);
  };
  expect_refused(with("mediaType", oci::media_type::kOciManifest), ErrorCode::kInvalidArgument, "media type");
  expect_refused(with("mediaType", "application/json"), ErrorCode::kInvalidArgument, "media type");
  expect_refused(with("schemaVersion", 1), ErrorCode::kInvalidArgument, "schemaVersion");
  json bare = good;
  bare.erase("mediaType");
  bare.erase("schemaVersion");
  EXPECT_EQ(load(layout_image(image) + layout_end(bare)).size(), 1U);
  EXPECT_EQ(load(with("mediaType", oci::media_type::kDockerList)).size(), 1U);
}

TEST_F(ImageLoaderTest, AnImageIsWholeWithoutItsForeignLayer) {
  auto image = tests::make_image();
  json manifest = json::parse(image.manifest_bytes);
  manifest["layers"][1]["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar";
  image.manifest_bytes = manifest.dump();
  image.manifest = tests::descriptor_of(oci::media_type::kOciManifest, image.manifest_bytes);
  const auto layer = image.layers.back();
  image.layers.pop_back();
  load(layout_image(image) + layout_end(layout_index({layout_entry(image.manifest, "app:1")})));
  ASSERT_EQ(store_.images().list_variants(image.manifest.digest).size(), 1U);
  EXPECT_EQ(store_.images().get_image("app:1").manifest, image.manifest.digest);
  // It may come, and go again.
  {
    const Lease lease = store_.content().make_lease("test");
    store_.put(layer.first.media_type, layer.second, lease);
    EXPECT_EQ(store_.images().list_variants(image.manifest.digest).size(), 1U);
  }
  store_.execute("DELETE FROM blob WHERE digest='" + layer.first.digest.to_string() + "'");
  EXPECT_EQ(store_.images().list_variants(image.manifest.digest).size(), 1U);
  store_.execute("DELETE FROM blob WHERE digest='" + image.layers[0].first.digest.to_string() + "'");
  EXPECT_TRUE(store_.images().list_variants(image.manifest.digest).empty());
}

}  // namespace
}  // namespace lighterd::imagestore
