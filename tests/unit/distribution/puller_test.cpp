// SPDX-License-Identifier: Apache-2.0
#include "distribution/puller.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "distribution/document_fetch.hpp"
#include "tests/support/compression.hpp"
#include "tests/support/distribution_fixture.hpp"

namespace lighterd::distribution {
namespace {

using base::ErrorCode;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::DistributionFixture;
using tests::make_image;
using tests::RecordingProgress;
using tests::TestImage;

oci::Platform platform(const std::string& architecture) {
  return {.architecture = architecture, .os = "linux", .os_version = {}, .os_features = {}, .variant = {}};
}

// The other layers of a pull that failed are cancelled: each drops its file when its thread has noticed.
bool becomes_empty(const std::filesystem::path& directory) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!std::filesystem::is_empty(directory)) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

std::string blob_path(const oci::Digest& digest) {
  return "/v2/app/blobs/" + digest.to_string();
}

class PullerTest : public testing::Test, public DistributionFixture {
 protected:
  std::vector<std::string> pull_lines(const std::string& rest, const std::string& architecture = {}) {
    RecordingProgress progress;
    pull(rest, progress, architecture);
    return progress.lines();
  }
  // What a pull that failed may leave: blobs that the index knows, and nothing that has a name.
  void expect_nothing_visible() {
    EXPECT_TRUE(store.images().list_images().empty());
    EXPECT_TRUE(becomes_empty(store.root() / "ingest"));
    for (const auto& file : store.files()) EXPECT_TRUE(store.content().find_blob(oci::parse_digest(file))) << file;
  }
};

TEST_F(PullerTest, ReportsAndPublishes) {
  const auto image = make_image();
  serve("app", "1", image);
  const auto layer = [&](std::size_t i) { return image.layers[i].first.digest.short_hex(); };
  const auto lines = pull_lines("app:1");
  EXPECT_EQ(lines[0], "1: Pulling from app");
  EXPECT_EQ(lines[1], layer(0) + ": Pulling fs layer");
  EXPECT_EQ(lines[2], layer(1) + ": Pulling fs layer");
  EXPECT_THAT(std::vector(lines.begin() + 3, lines.end() - 2),
              testing::UnorderedElementsAre(layer(0) + ": Download complete", layer(0) + ": Pull complete",
                                            layer(1) + ": Download complete", layer(1) + ": Pull complete"));
  EXPECT_EQ(lines[lines.size() - 2], "Digest: " + image.manifest.digest.to_string());
  EXPECT_EQ(lines.back(), "Status: Downloaded newer image for " + name("app:1"));
  const auto record = store.images().get_image(name("app:1"));
  EXPECT_EQ(record.target.digest, image.manifest.digest);
  EXPECT_EQ(store.content().read_blob(image.manifest.digest, 10000), image.manifest_bytes);
  EXPECT_EQ(store.content().list_sources(image.layers[0].first.digest, registry.host()),
            std::vector<std::string>{"app"});
}

TEST_F(PullerTest, AnUnchangedTagCostsOneHead) {
  serve("app", "1", make_image());
  pull_lines("app:1");
  registry.clear_requests();
  EXPECT_THAT(pull_lines("app:1"), ElementsAre("1: Pulling from app", testing::StartsWith("Digest: "),
                                               "Status: Image is up to date for " + name("app:1")));
  EXPECT_EQ(registry.requests().size(), 1U);
  EXPECT_EQ(registry.count("HEAD", "/v2/app/manifests/1"), 1U);
}

TEST_F(PullerTest, AMovedTagIsPulledAnewAndSharedLayersAreNot) {
  serve("app", "1", make_image({.layers = {"shared", "old"}}));
  pull_lines("app:1");
  const auto moved = make_image({.layers = {"shared", "new"}});
  serve("app", "1", moved);
  registry.clear_requests();
  const auto lines = pull_lines("app:1");
  EXPECT_EQ(lines.back(), "Status: Downloaded newer image for " + name("app:1"));
  EXPECT_THAT(lines, testing::Contains(moved.layers[0].first.digest.short_hex() + ": Already exists"));
  EXPECT_EQ(registry.count("GET", "/v2/app/blobs/" + moved.layers[0].first.digest.to_string()), 0U);
  EXPECT_EQ(store.images().list_images().size(), 2U);
}

// What another request does at that point of a pull.
class InterruptedProgress final : public ProgressSink {
 public:
  InterruptedProgress(std::string status, std::function<void()> interrupt)
      : status_(std::move(status)), interrupt_(std::move(interrupt)) {}
  void on_progress(const ProgressEvent& event) noexcept override {
    lines_.on_progress(event);
    if (event.status == status_ && interrupt_) std::exchange(interrupt_, nullptr)();
  }
  std::vector<std::string> lines() const { return lines_.lines(); }

 private:
  std::string status_;
  std::function<void()> interrupt_;
  RecordingProgress lines_;
};

TEST_F(PullerTest, ADigestIsKeptAsANameAlsoIfATagWasPublishedMeanwhile) {
  const auto image = make_image();
  serve("app", "1", image);
  const std::string reference = "app@" + image.manifest.digest.to_string();
  InterruptedProgress progress("Pulling fs layer", [&] { pull_lines("app:1"); });
  pull(reference, progress);
  EXPECT_EQ(progress.lines().back(), "Status: Downloaded newer image for " + name(reference));
  store.images().remove({.image = image.manifest.digest, .names = {oci::parse_reference(name("app:1"))}});
  const auto record = store.images().find_image(name(reference));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->digest_references.size(), 1U);
}

// The row goes after the look-up of the last thing that the image needs.
TEST_F(PullerTest, WhatIsRemovedFromACompleteImageMeanwhileIsPublishedWhole) {
  const auto image = make_image({.labels = {{"kept", "yes"}}});
  const auto index = tests::make_index({{image, platform("amd64")}});
  serve_index("app", "1", index, {image});
  pull_lines("app:1");
  store.execute("CREATE TRIGGER removal AFTER INSERT ON lease_blob WHEN NEW.digest='" +
                image.layers.back().first.digest.to_string() + "' BEGIN DELETE FROM manifest WHERE digest='" +
                image.manifest.digest.to_string() + "'; END");
  EXPECT_EQ(pull_lines("app:1").size(), 3U) << "nothing was missing when it was looked at";
  const auto variants = store.images().list_variants(index.first.digest);
  ASSERT_EQ(variants.size(), 1U);
  EXPECT_EQ(oci::to_string(variants[0].platform), "linux/amd64");
  const auto record = store.images().get_image(name("app:1"));
  EXPECT_TRUE(record.created);
  EXPECT_EQ(record.labels_json, R"({"kept":"yes"})");
}

// With the image's layers, but no image: of a config that nobody looks into.
TestImage make_artifact(const TestImage& image) {
  const std::string config_bytes = "not json";
  const auto config = tests::descriptor_of("application/vnd.example.config+json", config_bytes);
  nlohmann::json manifest = {{"schemaVersion", 2},
                             {"mediaType", oci::media_type::kOciManifest},
                             {"config", oci::to_json(config)},
                             {"layers", nlohmann::json::array()}};
  for (const auto& [layer, bytes] : image.layers) manifest["layers"].push_back(oci::to_json(layer));
  std::string manifest_bytes = manifest.dump();
  const auto descriptor = tests::descriptor_of(oci::media_type::kOciManifest, manifest_bytes);
  return {descriptor, std::move(manifest_bytes), config, config_bytes, image.layers};
}

struct TwoPlatforms {
  TestImage amd64 = make_image({.architecture = "amd64", .layers = {"shared", "amd64"}});
  TestImage arm64 = make_image({.architecture = "arm64", .layers = {"shared", "arm64"}});
  std::pair<oci::Descriptor, std::string> index =
      tests::make_index({{arm64, platform("arm64")}, {amd64, platform("amd64")}});
};

TEST_F(PullerTest, TakesTheHostsPlatformAndAddsOthersBesideIt) {
  const TwoPlatforms content;
  serve_index("app", "1", content.index, {content.amd64, content.arm64});
  const auto lines = pull_lines("app:1");
  EXPECT_THAT(lines, testing::Contains("Digest: " + content.index.first.digest.to_string()));
  EXPECT_EQ(registry.count("GET", "/v2/app/blobs/" + content.arm64.layers[1].first.digest.to_string()), 0U);
  pull_lines("app:1", "arm64");
  const auto record = store.images().get_image(name("app:1"));
  EXPECT_EQ(record.target.digest, content.index.first.digest);
  EXPECT_EQ(store.images().list_variants(record.target.digest).size(), 2U);
}

TEST_F(PullerTest, AnotherPlatformOfAKnownNameIsNoNewerImage) {
  const TwoPlatforms content;
  serve_index("app", "1", content.index, {content.amd64, content.arm64});
  EXPECT_EQ(pull_lines("app:1").back(), "Status: Downloaded newer image for " + name("app:1"));
  const auto lines = pull_lines("app:1", "arm64");
  EXPECT_THAT(lines, testing::Contains(content.arm64.layers[1].first.digest.short_hex() + ": Pull complete"));
  EXPECT_EQ(lines.back(), "Status: Image is up to date for " + name("app:1"));
}

// Two platforms, each with what BuildKit adds for it.
class AttestedPullTest : public PullerTest {
 protected:
  AttestedPullTest() {
    const oci::Platform unknown{
        .architecture = "unknown", .os = "unknown", .os_version = {}, .os_features = {}, .variant = {}};
    index = tests::make_index({{content.amd64, platform("amd64")},
                               {content.arm64, platform("arm64")},
                               {amd64_note, unknown},
                               {arm64_note, unknown}});
    serve_index("app", "1", index, {content.amd64, content.arm64, amd64_note, arm64_note});
  }
  void pull_these(PlatformChoice platforms, tests::RecordingProgress& progress) {
    const PullRequest request{
        .reference = oci::parse_reference(name("app:1")), .platforms = std::move(platforms), .context = {}};
    Puller(services()).pull(request, progress, {});
  }
  std::vector<bool> complete() {
    std::vector<bool> result;
    for (const auto& entry : store.images().list_entries(index.first.digest)) result.push_back(entry.is_complete);
    return result;
  }

  const TwoPlatforms content;
  const TestImage amd64_note = tests::make_attestation(content.amd64);
  const TestImage arm64_note = tests::make_attestation(content.arm64);
  std::pair<oci::Descriptor, std::string> index = content.index;
};

using Complete = std::vector<bool>;

TEST_F(AttestedPullTest, APlatformComesWithItsAttestationWhoseLayersShowTheirEndAlone) {
  const auto lines = pull_lines("app:1");
  EXPECT_EQ(complete(), (Complete{true, false, true, false}));
  const std::string statement = amd64_note.layers[0].first.digest.short_hex();
  EXPECT_THAT(lines, testing::Contains(statement + ": Download complete"));
  EXPECT_THAT(lines, testing::Not(testing::Contains(statement + ": Pull complete")));
  EXPECT_THAT(lines, testing::Not(testing::Contains(statement + ": Pulling fs layer")));
  EXPECT_EQ(store.images().get_image(name("app:1")).manifest, content.amd64.manifest.digest);
  pull_lines("app:1", "arm64");
  EXPECT_EQ(complete(), (Complete{true, true, true, true}));
}

TEST_F(AttestedPullTest, AnAttestationThatTheRegistryHasNotGotIsNotMissed) {
  const std::string blobs = "/v2/app/blobs/";
  for (const std::string& path :
       {"/v2/app/manifests/" + amd64_note.manifest.digest.to_string(), blobs + amd64_note.config.digest.to_string(),
        blobs + amd64_note.layers[0].first.digest.to_string()}) {
    registry.clear_faults();
    registry.add_fault({.path = path, .times = -1, .status = 404});
    EXPECT_NO_THROW(pull_lines("app:1")) << path;
    EXPECT_EQ(complete(), (Complete{true, false, false, false})) << path;
    registry.clear_requests();
    pull_lines("app:1");
    EXPECT_EQ(registry.requests().size(), 1U) << "an unchanged tag costs one HEAD";
    store.images().remove({.image = index.first.digest, .even_if_named = true});
  }
}

TEST_F(AttestedPullTest, NorIfSomebodyElseIsFetchingIt) {
  const std::string path = "/v2/app/blobs/" + amd64_note.layers[0].first.digest.to_string();
  options.stall_timeout = std::chrono::hours(1);
  registry.add_fault({.method = "GET", .path = path, .stall_after_bytes = 1});
  registry.add_fault({.method = "HEAD", .path = path, .times = -1, .status = 404});
  Puller puller(services());
  PullRequest request{.reference = oci::parse_reference(name("app:1")), .platforms = {}, .context = {}};
  RecordingProgress progress;
  std::jthread first([&] { puller.pull(request, progress, {}); });
  ASSERT_TRUE(registry.wait_for_requests(1, "GET", path));
  PullRequest other = request;
  other.context.auth.username = "somebody";
  other.context.auth.password = base::Secret("else");
  RecordingProgress lines;
  EXPECT_NO_THROW(puller.pull(other, lines, {}));
  EXPECT_EQ(complete(), (Complete{true, false, false, false}));
  EXPECT_EQ(registry.count("HEAD", path), 1U);
  registry.release_stalls();
  first.join();
  EXPECT_EQ(complete(), (Complete{true, false, true, false}));
}

TEST_F(AttestedPullTest, SeveralPlatformsAtOnceFetchEachLayerOnce) {
  tests::RecordingProgress progress;
  pull_these(PlatformChoice::these({platform("amd64"), platform("arm64")}), progress);
  EXPECT_EQ(complete(), (Complete{true, true, true, true}));
  EXPECT_EQ(registry.count("GET", "/v2/app/blobs/" + content.amd64.layers[0].first.digest.to_string()), 1U);
  const auto lines = progress.lines();
  EXPECT_EQ(std::ranges::count(lines, "1: Pulling from app"), 1);
  EXPECT_EQ(std::ranges::count(lines, content.amd64.layers[0].first.digest.short_hex() + ": Pull complete"), 1);
}

TEST_F(AttestedPullTest, AllIsEverythingThatTheIndexHas) {
  tests::RecordingProgress progress;
  pull_these(PlatformChoice::all(), progress);
  EXPECT_EQ(complete(), (Complete{true, true, true, true}));
}

TEST_F(AttestedPullTest, AnArtifactMayHaveTheLayersOfAnImage) {
  const auto artifact = make_artifact(content.amd64);
  index = tests::make_index({{artifact, platform("riscv64")}, {content.amd64, platform("amd64")}});
  serve_index("app", "1", index, {artifact, content.amd64});
  tests::RecordingProgress progress;
  EXPECT_NO_THROW(pull_these(PlatformChoice::all(), progress));
  EXPECT_EQ(complete(), (Complete{true, true}));
}

TEST_F(AttestedPullTest, OneThatIsMissingFailsAllBeforeAnythingIsFetched) {
  tests::RecordingProgress progress;
  try {
    pull_these(PlatformChoice::these({platform("amd64"), platform("s390x")}), progress);
    FAIL() << "nothing was thrown";
  } catch (const PlatformMissing& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_EQ(error.wanted(), "linux/s390x");
    EXPECT_THAT(error.there(), ElementsAre("linux/amd64", "linux/arm64"));
  }
  EXPECT_EQ(registry.count("GET", "/v2/app/blobs/*"), 0U);
  expect_nothing_visible();
}

TEST_F(AttestedPullTest, ALayerThatFailsLeavesNoPlatform) {
  registry.add_fault(
      {.path = "/v2/app/blobs/" + content.arm64.layers[1].first.digest.to_string(), .times = -1, .status = 404});
  tests::RecordingProgress progress;
  EXPECT_THROW(pull_these(PlatformChoice::all(), progress), base::Error);
  EXPECT_TRUE(store.images().list_images().empty());
}

TEST_F(PullerTest, FollowsANestedIndexAndRefusesALoopOfDepth) {
  const TwoPlatforms content;
  auto nested = content.index;
  for (int depth = 0; depth < 6; ++depth) {
    const std::string tag = "depth" + std::to_string(depth);
    serve_index("app", tag, nested, {content.amd64, content.arm64});
    const std::string outer =
        R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":")" +
        nested.first.media_type + R"(","digest":")" + nested.first.digest.to_string() + R"(","size":)" +
        std::to_string(nested.first.size_bytes) + "}]}";
    nested = {tests::descriptor_of(oci::media_type::kOciIndex, outer), outer};
  }
  EXPECT_NO_THROW(pull_lines("app:depth3"));
  EXPECT_EQ(pull_error("app:depth5").second, "index is nested too deeply");
}

TEST_F(PullerTest, SaysThatThereIsNoSuchPlatform) {
  const TwoPlatforms content;
  serve_index("app", "1", content.index, {content.amd64, content.arm64});
  const auto [code, text] = pull_error("app:1", "s390x");
  EXPECT_EQ(code, ErrorCode::kNotFound);
  EXPECT_EQ(text,
            "no matching manifest for linux/s390x in the manifest list entries: no match for platform in manifest: not "
            "found");
  expect_nothing_visible();
}

TEST_F(PullerTest, PullsByDigestUnderItsDigest) {
  const auto image = make_image();
  serve("app", "1", image);
  const std::string reference = "app@" + image.manifest.digest.to_string();
  const auto lines = pull_lines(reference);
  EXPECT_EQ(lines[0], name(reference) + ": Pulling from app");
  EXPECT_EQ(lines.back(), "Status: Downloaded newer image for " + name(reference));
  const auto record = store.images().get_image(name(reference));
  EXPECT_TRUE(record.tags.empty());
  EXPECT_EQ(record.repositories().size(), 1U);
  EXPECT_EQ(pull_lines(reference).back(), "Status: Image is up to date for " + name(reference));
}

TEST_F(PullerTest, PullsEveryTag) {
  serve("app", "a", make_image({.layers = {"a"}}));
  serve("app", "b", make_image({.layers = {"b"}}));
  const auto lines = pull_lines("app");
  EXPECT_THAT(lines, testing::Contains("a: Pulling from app"));
  EXPECT_THAT(lines, testing::Contains("b: Pulling from app"));
  EXPECT_EQ(store.images().list_images().size(), 2U);
}

TEST_F(PullerTest, KeepsAnArtifactWithoutLookingIntoIt) {
  const auto chart = make_artifact(make_image({.layers = {"any bytes at all"}}));
  serve("chart", "1", chart);
  EXPECT_NO_THROW(pull_lines("chart:1"));
  EXPECT_TRUE(store.content().find_blob(chart.layers[0].first.digest));
  registry.clear_requests();
  EXPECT_THAT(pull_lines("chart:1"), ElementsAre("1: Pulling from chart", testing::StartsWith("Digest: "),
                                                 "Status: Image is up to date for " + name("chart:1")));
  EXPECT_EQ(registry.requests().size(), 1U) << "an unchanged tag costs one HEAD";
}

TEST_F(PullerTest, CompressedLayersAreVerifiedByTheirContent) {
  for (const char* filter : {"gzip", "zstd", "bzip2", "xz"}) {
    const std::string content = std::string("content of ") + filter;
    auto image = make_image({.layers = {content}});
    const std::string compressed = tests::compress(content, filter);
    const auto layer = tests::descriptor_of("application/vnd.oci.image.layer.v1.tar+gzip", compressed);
    std::string manifest = image.manifest_bytes;
    const auto replace = [&](const std::string& from, const std::string& to) {
      manifest.replace(manifest.find(from), from.size(), to);
    };
    replace(image.layers[0].first.digest.to_string(), layer.digest.to_string());
    const std::string old_size = "\"size\":" + std::to_string(content.size());
    manifest.replace(manifest.rfind(old_size), old_size.size(), "\"size\":" + std::to_string(compressed.size()));
    registry.add_blob("app", compressed);
    registry.add_blob("app", image.config_bytes);
    registry.add_manifest("app", filter, image.manifest.media_type, manifest);
    EXPECT_NO_THROW(pull_lines(std::string("app:") + filter)) << filter;
  }
}

TEST_F(PullerTest, ALayerThatIsHereAsAPlainBlobIsReadAndNotFetched) {
  const std::string content = tests::make_content(100'000);
  const auto image = make_image({.layers = {content}});
  serve("app", "1", image);
  const auto& layer = image.layers[0].first;
  const auto lease = store.content().make_lease("test");
  store.content().put_blob(layer, content, lease);
  pull_lines("app:1");
  EXPECT_EQ(registry.count("GET", blob_path(layer.digest)), 0U);
  const auto known = store.content().find_blob(layer.digest);
  ASSERT_TRUE(known && known->layer);
  EXPECT_EQ(known->layer->diff_id, layer.digest);
  EXPECT_EQ(known->layer->uncompressed_bytes, 100'000);
}

TEST_F(PullerTest, UnlessItsFileIsDamaged) {
  const std::string content = tests::make_content(100'000);
  const auto image = make_image({.layers = {content}});
  serve("app", "1", image);
  const auto& layer = image.layers[0].first;
  const auto lease = store.content().make_lease("test");
  store.content().put_blob(layer, content, lease);
  const auto path = store.content().blob_path(layer.digest);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  std::fstream(path, std::ios::in | std::ios::out).write("damage", 6);
  pull_lines("app:1");
  EXPECT_EQ(registry.count("GET", blob_path(layer.digest)), 1U);
  EXPECT_EQ(store.content().read_blob(layer.digest, content.size()), content);
}

// Everything that a registry can get wrong; nothing of it may become visible, and the next pull works.
struct BadContent {
  std::string name;
  std::function<void(DistributionFixture&, const TestImage&)> arrange;
  ErrorCode code;
  std::string text;  // a part of it
};

class BadContentTest : public testing::TestWithParam<BadContent>, public DistributionFixture {};

TEST_P(BadContentTest, IsRefusedAndTheNextPullWorks) {
  const auto image = make_image({.layers = {"one", "two", "three"}});
  options.retry.max_attempts = 1;
  serve("app", "1", image);
  GetParam().arrange(*this, image);
  const auto [code, text] = pull_error("app:1");
  EXPECT_EQ(base::to_string(code), base::to_string(GetParam().code)) << text;
  EXPECT_THAT(text, HasSubstr(GetParam().text));
  EXPECT_TRUE(store.images().list_images().empty());
  EXPECT_TRUE(becomes_empty(store.root() / "ingest"));

  registry.clear_faults();
  serve("app", "1", image);
  RecordingProgress progress;
  pull("app:1", progress);
  EXPECT_EQ(store.images().get_image(name("app:1")).target.digest, image.manifest.digest);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadContentTest,
    testing::Values(
        BadContent{"ManifestOfAnotherImage",
                   [](auto& f, const auto& image) {
                     f.registry.add_fault({.method = "GET",
                                           .path = "/v2/app/manifests/" + image.manifest.digest.to_string(),
                                           .times = -1,
                                           .body = make_image({.layers = {"other"}}).manifest_bytes});
                   },
                   ErrorCode::kDataLoss, "digest "},
        BadContent{"WrongConfig",
                   [](auto& f, const auto& image) {
                     f.registry.add_fault({.method = "GET",
                                           .path = blob_path(image.config.digest),
                                           .times = -1,
                                           .body = std::string(image.config_bytes.size(), ' ')});
                   },
                   ErrorCode::kDataLoss, "error pulling image configuration: "},
        BadContent{
            "WrongLayer",
            [](auto& f, const auto& image) {
              f.registry.add_fault(
                  {.method = "GET", .path = blob_path(image.layers[1].first.digest), .times = -1, .body = "TWO"});
            },
            ErrorCode::kDataLoss, "filesystem layer verification failed for digest sha256:"},
        BadContent{
            "TruncatedLayer",
            [](auto& f, const auto& image) {
              f.registry.add_fault(
                  {.method = "GET", .path = blob_path(image.layers[2].first.digest), .times = -1, .body = "thr"});
            },
            ErrorCode::kUnavailable, "short read: expected 5 bytes but got 3"},
        BadContent{"LongLayer",
                   [](auto& f, const auto& image) {
                     f.registry.add_fault({.method = "GET",
                                           .path = blob_path(image.layers[2].first.digest),
                                           .times = -1,
                                           .body = "three and more"});
                   },
                   ErrorCode::kDataLoss, "layer sha256:"},
        BadContent{"MissingLayer",
                   [](auto& f, const auto& image) {
                     f.registry.add_fault(
                         {.method = "GET",
                          .path = blob_path(image.layers[0].first.digest),
                          .times = -1,
                          .status = 404,
                          .body = R"({"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]})"});
                   },
                   ErrorCode::kNotFound, "blob unknown"},
        BadContent{"WrongDiffId",
                   [](auto& f, const auto& image) {
                     auto other = make_image({.layers = {"one", "TWO", "three"}});
                     auto mixed = image;
                     mixed.manifest_bytes = other.manifest_bytes;
                     const auto& from = other.layers[1].first.digest.to_string();
                     mixed.manifest_bytes.replace(mixed.manifest_bytes.find(from), from.size(),
                                                  image.layers[0].first.digest.to_string());
                     f.serve("app", std::nullopt, other);
                     f.serve("app", "1", mixed);
                   },
                   ErrorCode::kDataLoss, "layers from manifest don't match image configuration: layer sha256:"},
        BadContent{"FewerDiffIds",
                   [](auto& f, const auto& image) {
                     auto fewer = make_image({.layers = {"one", "two"}});
                     auto mixed = image;
                     const auto replace = [&](const std::string& from, const std::string& to) {
                       mixed.manifest_bytes.replace(mixed.manifest_bytes.find(from), from.size(), to);
                     };
                     replace(image.config.digest.to_string(), fewer.config.digest.to_string());
                     replace("\"size\":" + std::to_string(image.config.size_bytes),
                             "\"size\":" + std::to_string(fewer.config.size_bytes));
                     f.serve("app", std::nullopt, fewer);
                     f.serve("app", "1", mixed);
                   },
                   ErrorCode::kDataLoss, "don't match image configuration: 3 layers, 2 diff IDs"},
        BadContent{"HugeManifest",
                   [](auto& f, const auto& image) {
                     f.registry.add_manifest("app", "1", image.manifest.media_type, std::string(5 * 1024 * 1024, ' '));
                   },
                   ErrorCode::kDataLoss, "4194304"},
        BadContent{"IndexLabelledManifest",
                   [](auto& f, const auto& image) {
                     f.registry.add_manifest("app", "1", image.manifest.media_type,
                                             tests::make_index({{image, platform("amd64")}}).second);
                   },
                   ErrorCode::kInvalidArgument, "manifest"},
        BadContent{"SchemaOne",
                   [](auto& f, const auto& /*image*/) {
                     f.registry.add_manifest("app", "1", std::string(oci::media_type::kDockerSchema1Signed),
                                             R"({"schemaVersion":1,"fsLayers":[],"history":[]})");
                   },
                   ErrorCode::kInvalidArgument, "no FSLayers in manifest"}),
    [](const auto& test_case) { return test_case.param.name; });

TEST_F(PullerTest, ManyPullsOfOneImageFetchEachBlobOnce) {
  const auto image = make_image();
  serve("app", "1", image);
  {
    std::vector<std::jthread> pulls;
    for (int i = 0; i < 8; ++i) pulls.emplace_back([&] { pull_lines("app:1"); });
  }
  for (const auto& [layer, bytes] : image.layers) EXPECT_EQ(registry.count("GET", blob_path(layer.digest)), 1U);
  EXPECT_TRUE(store.images().find_image(name("app:1")));
}

TEST_F(PullerTest, ACancelledPullStopsItsTransferAtOnce) {
  const auto image = make_image();
  serve("app", "1", image);
  const std::string path = blob_path(image.layers[0].first.digest);
  registry.add_fault({.method = "GET", .path = path, .times = -1, .stall_after_bytes = 3});
  std::stop_source stop;
  std::jthread canceller([&] {
    registry.wait_for_requests(1, "GET", path);
    stop.request_stop();
  });
  RecordingProgress progress;
  try {
    pull("app:1", progress, {}, stop.get_token());
    FAIL() << "was not cancelled";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  // The registry still stalls: only the end of the transfer itself removes its file.
  EXPECT_TRUE(becomes_empty(store.root() / "ingest"));
}

TEST_F(PullerTest, AWatcherGoesOnWhenTheFirstIsCancelled) {
  const auto image = make_image({.layers = {"one"}});
  serve("app", "1", image);
  const std::string path = blob_path(image.layers[0].first.digest);
  registry.add_fault({.method = "GET", .path = path, .times = 1, .stall_after_bytes = 1});
  std::stop_source stop;
  std::jthread first([&] {
    RecordingProgress progress;
    EXPECT_THROW(pull("app:1", progress, {}, stop.get_token()), base::Error);
  });
  ASSERT_TRUE(registry.wait_for_requests(1, "GET", path));
  RecordingProgress progress;
  std::jthread second([&] { pull("app:1", progress); });
  while (!progress.has(image.layers[0].first.digest.short_hex() + ": Pulling fs layer")) std::this_thread::yield();
  stop.request_stop();
  first.join();
  registry.release_stalls();
  second.join();
  EXPECT_TRUE(store.images().find_image(name("app:1")));
  EXPECT_EQ(registry.count("GET", path), 1U);
}

TEST_F(PullerTest, PullsOfOneTagResolveItOnce) {
  const auto image = make_image({.layers = {"one"}});
  serve("app", "1", image);
  registry.add_fault({.method = "HEAD", .stall_before_head = true});
  Puller puller(services());
  const PullRequest request{.reference = oci::parse_reference(name("app:1")), .platforms = {}, .context = {}};
  std::vector<std::jthread> threads;
  std::vector<RecordingProgress> progress(8);
  for (auto& each : progress) threads.emplace_back([&] { puller.pull(request, each, {}); });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (puller.shared().resolves.count_waiters() < 7 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  registry.release_stalls();
  threads.clear();
  for (const auto& each : progress)
    EXPECT_EQ(each.lines().back(), "Status: Downloaded newer image for " + name("app:1"));
  EXPECT_EQ(registry.count("HEAD", "*"), 1U);
  EXPECT_EQ(registry.count("GET", "*/blobs/*"), 2U);
  EXPECT_EQ(registry.count("GET", "*/manifests/*"), 1U);
}

TEST_F(PullerTest, OtherCredentialsAreAuthorisedBeforeTheyWatch) {
  const auto image = make_image({.layers = {"one"}});
  serve("app", "1", image);
  const std::string path = blob_path(image.layers[0].first.digest);
  options.stall_timeout = std::chrono::hours(1);
  registry.add_fault({.method = "GET", .path = path, .stall_after_bytes = 1});
  Puller puller(services());
  PullRequest request{.reference = oci::parse_reference(name("app:1")), .platforms = {}, .context = {}};
  std::jthread first([&] {
    RecordingProgress progress;
    puller.pull(request, progress, {});
  });
  ASSERT_TRUE(registry.wait_for_requests(1, "GET", path));
  PullRequest other = request;
  other.context.auth.username = "somebody";
  other.context.auth.password = base::Secret("else");
  registry.add_fault({.method = "HEAD", .path = path, .status = 403});
  RecordingProgress progress;
  EXPECT_THROW(puller.pull(other, progress, {}), base::Error);
  // Allowed, they wait for the same bytes.
  std::jthread second([&] {
    RecordingProgress lines;
    puller.pull(other, lines, {});
  });
  ASSERT_TRUE(registry.wait_for_requests(2, "HEAD", path));
  registry.release_stalls();
  first.join();
  second.join();
  EXPECT_EQ(registry.count("GET", path), 1U);
}

TEST_F(PullerTest, ShowsWaitsWithTheirReason) {
  const auto image = make_image({.layers = {"one"}});
  serve("app", "1", image);
  options.retry.first_delay = std::chrono::milliseconds(300);
  registry.add_fault({.method = "GET", .path = blob_path(image.layers[0].first.digest), .status = 503});
  registry.add_fault({.method = "GET", .path = blob_path(image.config.digest), .status = 502});
  const auto lines = pull_lines("app:1");
  const std::string id = image.layers[0].first.digest.short_hex();
  EXPECT_THAT(lines, testing::Contains(testing::AllOf(testing::StartsWith(id + ": Retrying in 1 second ("),
                                                      HasSubstr("503 Service Unavailable"))));
  EXPECT_THAT(lines, testing::Contains(
                         testing::AllOf(testing::StartsWith("Retrying in 1 second ("), HasSubstr("502 Bad Gateway"))));
}

TEST_F(PullerTest, AResolveThatIsTriedAgainReportsNothingBefore) {
  serve("app", "1", make_image());
  registry.add_fault({.method = "HEAD", .times = 2, .drop_connection = true});
  EXPECT_EQ(pull_lines("app:1").front(), "1: Pulling from app");
}

TEST_F(PullerTest, ShowsAWarningOnce) {
  serve("app", "1", make_image());
  registry.add_fault({.method = "", .times = -1, .headers = {{"Warning", R"(299 - "this tag goes in May")"}}});
  auto lines = pull_lines("app:1");
  EXPECT_EQ(std::ranges::count(lines, "Warning: this tag goes in May"), 1);
}

TEST_F(PullerTest, AsksTheRegistryAlsoForADigestThatIsHereAlready) {
  const auto image = make_image();
  serve("app", "1", image);
  pull_lines("app:1");
  const auto [code, text] = pull_error("other@" + image.manifest.digest.to_string());
  EXPECT_EQ(code, ErrorCode::kNotFound) << text;
  EXPECT_EQ(store.images().get_image(name("app:1")).repositories().size(), 1U);
}

TEST_F(PullerTest, AWrongSizeIsRefusedAlsoForContentThatIsHereAlready) {
  auto image = make_image({.layers = {"content"}});
  serve("app", "1", image);
  pull_lines("app:1");
  const std::string size = "\"size\":7";
  image.manifest_bytes.replace(image.manifest_bytes.find(size), size.size(), "\"size\":5");
  serve("app", "2", image);
  const auto [code, text] = pull_error("app:2");
  EXPECT_EQ(code, ErrorCode::kDataLoss);
  EXPECT_THAT(text, HasSubstr("is 7 bytes, not 5"));
}

TEST_F(PullerTest, FetchesADamagedDocumentAnew) {
  const auto image = make_image();
  serve("app", "1", image);
  pull_lines("app:1");
  for (const auto& digest : {image.manifest.digest, image.config.digest}) {
    const auto path = store.content().blob_path(digest);
    const auto size = std::filesystem::file_size(path);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    std::ofstream(path, std::ios::trunc) << std::string(size, ' ');
  }
  serve("app", "2", image);
  pull_lines("app:2");
  EXPECT_EQ(store.content().read_blob(image.manifest.digest, 10000), image.manifest_bytes);
  EXPECT_EQ(store.content().read_blob(image.config.digest, 10000), image.config_bytes);
}

// Three levels of a thousand entries for one digest each: a billion paths to one image.
TEST_F(PullerTest, AnIndexOfManyCopiesIsNoMoreWorkThanItsBytes) {
  const auto image = make_image();
  auto below = image.manifest;
  serve("app", std::nullopt, image);
  for (int level = 0; level < 3; ++level) {
    std::string entry = R"({"mediaType":")" + below.media_type + R"(","digest":")" + below.digest.to_string() +
                        R"(","size":)" + std::to_string(below.size_bytes) + "}";
    std::string index = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)";
    for (int copy = 0; copy < 1000; ++copy) index += (copy == 0 ? "" : ",") + entry;
    index += "]}";
    below = registry.add_manifest("app", "1", std::string(oci::media_type::kOciIndex), index);
    below.media_type = oci::media_type::kOciIndex;
  }
  pull_lines("app:1");
  EXPECT_EQ(store.images().list_variants(below.digest).size(), 1U);
}

// What a registry may say at little cost to itself: each is refused before it takes memory and time in proportion.
class AmplificationTest : public AttestedPullTest {
 protected:
  const oci::Platform unknown{
      .architecture = "unknown", .os = "unknown", .os_version = {}, .os_features = {}, .variant = {}};
};

TEST_F(AmplificationTest, OneImageHasAFewAttestations) {
  std::vector<std::pair<TestImage, oci::Platform>> entries = {{content.amd64, platform("amd64")}};
  std::vector<TestImage> images = {content.amd64};
  for (int i = 0; i < 17; ++i) {
    images.push_back(tests::make_attestation(content.amd64, "https://example.com/" + std::to_string(i)));
    entries.emplace_back(images.back(), unknown);
  }
  serve_index("app", "1", tests::make_index(entries), images);
  const auto [code, text] = pull_error("app:1");
  EXPECT_EQ(code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(text, content.amd64.manifest.digest.to_string() + " has more than 16 attestations");
  entries.pop_back();
  serve_index("app", "1", tests::make_index(entries), images);
  EXPECT_NO_THROW(pull_lines("app:1"));
}

TEST_F(AmplificationTest, ManifestsTogetherHaveALimit) {
  Puller puller(services());
  const auto lease = store.content().make_lease("test");
  const std::vector<TestImage> images = {content.amd64, content.arm64, amd64_note};
  RegistryClient client(http, options, oci::parse_reference(name("app")).repository(), Access::kPull, {}, logger);
  auto all = services();
  const auto load_all = [&](DocumentLimits limits) {
    DocumentFetch documents(all, puller.shared(), client, lease, "app", limits, DocumentFetch::Keeping::kStore, {});
    // Asked for again it is not counted again.
    for (int round = 0; round < 2; ++round)
      for (const TestImage& image : images) documents.load(image.manifest);
  };
  DocumentLimits enough{.count = images.size(), .bytes = 0};
  for (const TestImage& image : images) enough.bytes += image.manifest_bytes.size();
  EXPECT_NO_THROW(load_all(enough));
  for (const DocumentLimits& less : {DocumentLimits{.count = enough.count - 1, .bytes = enough.bytes},
                                     DocumentLimits{.count = enough.count, .bytes = enough.bytes - 1}}) {
    try {
      load_all(less);
      FAIL() << "nothing was thrown";
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    }
  }
}

TEST_F(AmplificationTest, LayersTogetherHaveALimit) {
  const auto image = make_image({.layers = {"one"}});
  std::vector<TestImage> images;
  for (int i = 0; i < 11; ++i) {
    TestImage many = image;
    many.layers.clear();
    for (int layer = 0; layer < 1000 - i; ++layer) many.layers.push_back(image.layers[0]);
    images.push_back(make_artifact(many));
    images.back().layers = image.layers;
  }
  std::vector<std::pair<TestImage, oci::Platform>> entries;
  for (const TestImage& each : images) entries.emplace_back(each, platform("amd64"));
  serve_index("app", "1", tests::make_index(entries), images);
  RecordingProgress progress;
  try {
    pull_these(PlatformChoice::all(), progress);
    FAIL() << "nothing was thrown";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error.text(), "the image has more than 10000 layers");
  }
  EXPECT_EQ(registry.count("GET", blob_path(image.layers[0].first.digest)), 0U);
}

TEST_F(AmplificationTest, APullFromTheStoreAloneIsCancelledToo) {
  const std::string reference = "app@" + index.first.digest.to_string();
  pull_lines(reference);
  registry.clear_requests();
  std::stop_source stop;
  stop.request_stop();
  RecordingProgress progress;
  try {
    pull(reference, progress, {}, stop.get_token());
    FAIL() << "was not cancelled";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  EXPECT_TRUE(registry.requests().empty());
}

struct Refusal {
  std::string name;
  int status;
  std::string body;
  ErrorCode code;
  std::string text;
};

class RefusalTest : public testing::TestWithParam<Refusal>, public DistributionFixture {};

TEST_P(RefusalTest, HasDockersText) {
  registry.add_fault({.path = "/v2/app/manifests/1",
                      .times = -1,
                      .status = GetParam().status,
                      .headers = {{"Content-Type", "application/json"}},
                      .body = GetParam().body});
  const auto [code, text] = pull_error("app:1");
  EXPECT_EQ(base::to_string(code), base::to_string(GetParam().code)) << text;
  std::string expected = GetParam().text;
  if (const auto at = expected.find("{app}"); at != std::string::npos) expected.replace(at, 5, name("app"));
  EXPECT_EQ(text, expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusalTest,
    testing::Values(
        Refusal{"UnknownTag", 404,
                R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"1"}}]})",
                ErrorCode::kNotFound, "manifest for {app}:1 not found: manifest unknown: manifest unknown"},
        Refusal{"DeniedByDefault", 403,
                R"({"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]})",
                ErrorCode::kPermissionDenied, "denied"},
        Refusal{"DeniedWithReason", 403, R"({"errors":[{"code":"DENIED","message":"not for you"}]})",
                ErrorCode::kNotFound,
                "pull access denied for {app}, repository does not exist or may require 'docker login': denied: not "
                "for you"},
        Refusal{"RateLimited", 429, R"({"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]})",
                ErrorCode::kResourceExhausted, "toomanyrequests: slow down"},
        Refusal{"Down", 503, "", ErrorCode::kInternal, "received unexpected HTTP status: 503 Service Unavailable"}),
    [](const auto& test_case) { return test_case.param.name; });

TEST(PullerUnreachableTest, IsAnInternalErrorThatNamesTheAddress) {
  std::string host;
  {
    const tests::FakeRegistry gone;
    host = gone.host();
  }
  DistributionFixture fixture;
  RecordingProgress progress;
  try {
    Puller(fixture.services())
        .pull({.reference = oci::parse_reference(host + "/app:1"), .platforms = {}, .context = {}}, progress, {});
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
    EXPECT_THAT(error.text(), HasSubstr("connection refused"));
  }
}

}  // namespace
}  // namespace lighterd::distribution
