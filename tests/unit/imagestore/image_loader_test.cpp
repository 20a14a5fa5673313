// SPDX-License-Identifier: Apache-2.0
#include "imagestore/image_loader.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <functional>
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
  std::vector<LoadedImage> load(const std::string& archive, const LoadOptions& options = {}, std::size_t piece = kWhole,
                                std::stop_token stop = {}) {
    tests::TextSource source(archive, piece);
    return ImageLoader(store_.content(), store_.images()).load(source, options, stop);
  }

  void expect_refused(const std::string& archive, ErrorCode code, const std::string& text,
                      const LoadOptions& options = {}) {
    const auto files = store_.files();
    try {
      load(archive, options);
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

// As many items as wanted of one image with a large config; each names its layer in a way of its own.
std::string archive_of_items(const tests::TestImage& image, int count, const std::function<std::string(int)>& layer) {
  std::string archive = tar_file("c", image.config_bytes) + tar_file("l", image.layers[0].second);
  json items = json::array();
  for (int i = 0; i < count; ++i) {
    if (layer(i) != "l") archive += tests::tar_link(layer(i), "l");
    items.push_back(docker_item("c", {layer(i)}, {"app:" + std::to_string(i)}));
  }
  return archive + tar_file("manifest.json", items.dump()) + tests::tar_end();
}

TEST_F(ImageLoaderTest, DocumentsAreBoundedTogether) {
  const auto image = tests::make_image(
      {.architecture = "amd64", .layers = {make_layer(10)}, .labels = {{"large", std::string(40'000, 'x')}}});
  constexpr std::size_t kLimit = 1'000'000;
  const auto apart = archive_of_items(image, 40, [](int i) { return "l" + std::to_string(i); });
  expect_refused(apart, ErrorCode::kInvalidArgument, "documents of the archive are larger than",
                 {.max_document_bytes = kLimit});
  // What stands there many times is one image.
  const auto loaded = load(archive_of_items(image, 40, [](int) { return "l"; }), {.max_document_bytes = kLimit});
  ASSERT_EQ(loaded.size(), 40U);
  EXPECT_EQ(loaded[39].id, loaded[0].id);
  EXPECT_EQ(store_.images().list_tags(oci::parse_reference("app").repository()).size(), 40U);
}

// Asks for a stop with its last byte.
class StoppingSource final : public base::Source {
 public:
  StoppingSource(std::string text, std::stop_source& stop) : text_(std::move(text)), stop_(stop) {}
  std::size_t read(std::span<std::byte> buffer) override {
    const std::size_t count = text_.read(buffer);
    if (count == 0) stop_.request_stop();
    return count;
  }

 private:
  tests::TextSource text_;
  std::stop_source& stop_;
};

TEST_F(ImageLoaderTest, AStopAfterTheLastByteEndsItAtTheNextDocument) {
  const auto image = tests::make_image();
  const std::string docker =
      tar_file("manifest.json", json::array({docker_item("absent", {}, {"app:1"})}).dump()) + tests::tar_end();
  const std::string layout =
      layout_blob(image.manifest, image.manifest_bytes) + layout_end(layout_index({layout_entry(image.manifest)}));
  for (const std::string& archive : {docker, layout}) {
    std::stop_source stop;
    StoppingSource source(archive, stop);
    try {
      ImageLoader(store_.content(), store_.images()).load(source, {}, stop.get_token());
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCancelled) << error.text();
    }
  }
}

TEST_F(ImageLoaderTest, WhatIsAboutAnImageIsNone) {
  const auto image = tests::make_image();
  const auto note = tests::make_attestation(image);
  oci::Descriptor about = note.manifest;
  about.annotations = {{"io.containerd.manifest.subject", image.manifest.digest.to_string()}};
  const json index = layout_index({layout_entry(image.manifest, "app:1"), layout_entry(about)});
  for (const std::string& archive :
       {layout_image(image) + layout_end(index), layout_image(image) + layout_image(note) + layout_end(index)}) {
    const auto loaded = load(archive);
    ASSERT_EQ(loaded.size(), 1U);
    EXPECT_EQ(loaded[0].id, image.manifest.digest);
  }
  EXPECT_FALSE(store_.images().find_image(note.manifest.digest.to_string()));
}

TEST_F(ImageLoaderTest, AnAbsentPlatformIsNamedWhateverElseIsAbsent) {
  const auto image = tests::make_image();
  const auto note = tests::make_attestation(image);
  const oci::Platform amd64{.architecture = "amd64", .os = "linux", .os_version = {}, .os_features = {}, .variant = {}};
  const oci::Platform none{
      .architecture = "unknown", .os = "unknown", .os_version = {}, .os_features = {}, .variant = {}};
  const auto index = tests::make_index({{image, amd64}, {note, none}});
  const std::string archive = layout_image(image) + layout_blob(index.first, index.second) +
                              layout_end(layout_index({layout_entry(index.first)}));
  oci::Platform wanted = amd64;
  wanted.architecture = "s390x";
  try {
    load(archive, {.platforms = {wanted}});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(error.text().find("doesn't provide"), std::string::npos) << error.text();
  }
  EXPECT_EQ(load(archive, {.platforms = {amd64}}).size(), 1U);
}

TEST_F(ImageLoaderTest, ABlobOfADockerArchiveIsWhatItsNameSays) {
  const auto image = tests::make_image({.architecture = "amd64", .layers = {"a layer"}});
  const std::string other = blob_member(oci::digest_of(base::as_bytes("other")));
  const auto archive = [&](const std::string& config, const std::string& layer) {
    return tar_file(config, image.config_bytes) + tar_file(layer, "a layer") +
           tar_file("manifest.json", json::array({docker_item(config, {layer}, {"app:1"})}).dump()) + tests::tar_end();
  };
  expect_refused(archive(other, "l"), ErrorCode::kDataLoss, "content verification failed for digest");
  expect_refused(archive("c", other), ErrorCode::kDataLoss, "content verification failed for digest");
  EXPECT_EQ(load(archive(blob_member(image.config.digest), blob_member(image.layers[0].first.digest))).size(), 1U);
}

TEST_F(ImageLoaderTest, AnIndexShowsWhatComesBesideIt) {
  const auto image = tests::make_image();
  const auto index = tests::make_index(
      {{image, {.architecture = "amd64", .os = "linux", .os_version = {}, .os_features = {}, .variant = {}}}});
  const auto loaded =
      load(layout_image(image) + layout_blob(index.first, index.second) +
           layout_end(layout_index({layout_entry(image.manifest, "alone:1"), layout_entry(index.first, "both:1")})));
  ASSERT_EQ(loaded.size(), 2U);
  EXPECT_EQ(store_.images().get_image("alone:1").manifest, image.manifest.digest);
  EXPECT_EQ(store_.images().get_image("both:1").manifest, image.manifest.digest);
}

TEST_F(ImageLoaderTest, LinksLeadEightStepsAndNotInCircles) {
  const auto image = tests::make_image({.architecture = "amd64", .layers = {"a layer"}});
  const auto archive = [&](int steps) {
    std::string members = tar_file("c", image.config_bytes) + tar_file("0", "a layer");
    for (int i = 1; i <= steps; ++i) members += tests::tar_link(std::to_string(i), std::to_string(i - 1));
    return members + tests::tar_link("x", "y") + tests::tar_link("y", "x") +
           tar_file("manifest.json",
                    json::array({docker_item("c", {steps == 0 ? "x" : std::to_string(steps)}, {"app:1"})}).dump()) +
           tests::tar_end();
  };
  EXPECT_EQ(load(archive(8)).size(), 1U);
  expect_refused(archive(9), ErrorCode::kInvalidArgument, "too many links");
  expect_refused(archive(0), ErrorCode::kInvalidArgument, "too many links");
}

TEST_F(ImageLoaderTest, AnAdoptionThatIsNotKeptLeavesWhatWasThere) {
  const Lease lease = store_.content().make_lease("test");
  const auto known = store_.put("application/octet-stream", "known", lease);
  std::vector<NewBlob> blobs;
  for (const std::string text : {"known", "new"}) {
    auto file = store_.content().start_file();
    file->write(base::as_bytes(text));
    const oci::Descriptor is = tests::descriptor_of("", text);
    blobs.push_back({{is.digest, is.size_bytes, std::nullopt}, std::move(file)});
  }
  {
    const BlobAdoption adoption(store_.content(), std::move(blobs));
    EXPECT_EQ(store_.files().size(), 2U);
  }
  EXPECT_EQ(store_.files(), std::vector<std::string>{known.digest.to_string()});
  EXPECT_TRUE(std::filesystem::is_empty(store_.root() / "ingest"));
}

}  // namespace
}  // namespace lighterd::imagestore
