// SPDX-License-Identifier: Apache-2.0
#include "imagestore/registry_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "imagestore/image_store.hpp"
#include "tests/support/error_code.hpp"
#include "tests/support/test_store.hpp"

namespace lighterd::imagestore {
namespace {

using base::ErrorCode;
using nlohmann::json;
using testing::ElementsAre;
using tests::code_of;
using tests::descriptor_of;
using tests::make_image;
using tests::TestImage;
using tests::TestStore;

constexpr std::string_view kEmptyType = "application/vnd.oci.empty.v1+json";

oci::Platform linux_on(const std::string& architecture) {
  return {.architecture = architecture, .os = "linux", .os_version = {}, .os_features = {}, .variant = {}};
}

class RegistryStoreTest : public ::testing::Test {
 protected:
  RegistryStore& registry() { return *registry_; }

  void reopen() {
    registry_.reset();
    store_.reopen();
    registry_.emplace(store_.content(), store_.database(), std::chrono::hours(1));
  }
  oci::Digest push_blob(const std::string& repository, std::string_view bytes,
                        RepositoryKind kind = RepositoryKind::kPushed) {
    const auto lease = store_.content().make_lease("push");
    const auto blob = descriptor_of("application/octet-stream", bytes);
    store_.content().put_blob(blob, bytes, lease);
    EXPECT_TRUE(registry().link_blob(repository, kind, blob.digest));
    return blob.digest;
  }
  std::vector<oci::Digest> push_document(const std::string& repository, const std::string& bytes, std::string_view type,
                                         std::vector<std::string> tags, std::vector<oci::Digest> blobs = {},
                                         std::vector<oci::Digest> manifests = {},
                                         RepositoryKind kind = RepositoryKind::kPushed) {
    const oci::Document document = oci::parse_document(bytes, type, "test");
    return registry().put_manifest({.repository = repository,
                                    .kind = kind,
                                    .descriptor = descriptor_of(type, bytes),
                                    .bytes = bytes,
                                    .document = document,
                                    .tags = std::move(tags),
                                    .required_blobs = std::move(blobs),
                                    .required_manifests = std::move(manifests)});
  }
  void push(const std::string& repository, const TestImage& image, std::vector<std::string> tags) {
    std::vector<oci::Digest> blobs = {push_blob(repository, image.config_bytes)};
    for (const auto& [layer, bytes] : image.layers) blobs.push_back(push_blob(repository, bytes));
    EXPECT_THAT(push_document(repository, image.manifest_bytes, image.manifest.media_type, std::move(tags), blobs),
                ElementsAre());
  }
  std::string target(const std::string& repository, const std::string& tag) {
    const auto record = registry().find_tag(repository, tag);
    return record ? record->target.digest.to_string() : "";
  }
  bool is_visible(const std::string& repository, const oci::Digest& blob) {
    return registry().find_blob(repository, blob).has_value();
  }
  std::int64_t count(const std::string& table) {
    auto read = store_.database().read();
    Query query(*read, "SELECT count(*) FROM " + table);
    query.step();
    return query.integer(0);
  }

  TestStore store_;
  std::optional<RegistryStore> registry_{std::in_place, store_.content(), store_.database(), std::chrono::hours(1)};
  TestImage image_ = make_image();
};

TEST(RegistryNamesTest, AreThoseOfTheDockerFaceWithoutColons) {
  const std::vector<std::pair<std::string, std::string>> names = {
      {"docker.io/library/alpine", "docker.io/library/alpine"},
      {"localhost:5000/app", "localhost_5000/app"},
      {"registry:5000/a/b", "registry_5000/a/b"},
      {"registry.example.com/a__b", "registry.example.com/a__b"}};
  for (const auto& [docker, registry] : names) {
    EXPECT_EQ(find_registry_name(oci::parse_repository_name(docker)), registry);
    EXPECT_EQ(find_docker_name(registry), oci::parse_repository_name(docker));
  }
  EXPECT_EQ(find_registry_name(oci::parse_repository_name("Registry.Example:5000/a")), "registry.example_5000/a");
  EXPECT_EQ(find_registry_name(oci::parse_repository_name("[::1]:5000/a")), std::nullopt);
  EXPECT_EQ(find_registry_name(oci::parse_repository_name("host.example/" + std::string(250, 'a'))), std::nullopt);
  for (const char* name : {"team/app", "app", "a_b/app", "a__5/app", "Docker.io/app", "../app"})
    EXPECT_EQ(find_docker_name(name), std::nullopt) << name;
}

TEST(RegistryNamesTest, AreChecked) {
  for (const char* name : {"a", "a/b/c", "team-1/app.2", "a__b", "a---b", "0/1"})
    EXPECT_TRUE(is_valid_repository(name));
  EXPECT_TRUE(is_valid_repository(std::string(255, 'a')));
  for (const char* name : {"", "/", "a/", "/a", "A", "a//b", "a/../b", "a___b", "-a", "a:b", "a@b", "a b", "."})
    EXPECT_FALSE(is_valid_repository(name)) << name;
  EXPECT_FALSE(is_valid_repository(std::string(256, 'a')));
}

TEST_F(RegistryStoreTest, APushedImageIsThereAndNowhereElse) {
  push("team/app", image_, {"1", "latest"});
  const auto tag = registry().find_tag("team/app", "1");
  ASSERT_TRUE(tag);
  EXPECT_EQ(tag->target, image_.manifest);
  EXPECT_EQ(tag->kind, RepositoryKind::kPushed);
  EXPECT_EQ(registry().find_manifest("team/app", image_.manifest.digest), image_.manifest);
  EXPECT_EQ(registry().find_repository("team/app"), RepositoryKind::kPushed);
  EXPECT_TRUE(is_visible("team/app", image_.config.digest));
  EXPECT_EQ(registry().find_described("team/app", image_.config.digest)->media_type, oci::media_type::kOciConfig);
  EXPECT_THAT(registry().list_tags("team/app", {}).names, ElementsAre("1", "latest"));
  // A manifest is no blob, and other repositories have neither.
  EXPECT_FALSE(is_visible("team/app", image_.manifest.digest));
  push_blob("other", "something");
  for (const char* other : {"other", "none"}) {
    EXPECT_FALSE(is_visible(other, image_.config.digest)) << other;
    EXPECT_FALSE(registry().find_manifest(other, image_.manifest.digest)) << other;
    EXPECT_FALSE(registry().find_described(other, image_.config.digest)) << other;
    EXPECT_EQ(target(other, "1"), "");
  }
  EXPECT_EQ(registry().find_repository("none"), std::nullopt);
  EXPECT_TRUE(store_.images().list_images().empty()) << "the Docker face has not got it";
  reopen();
  EXPECT_EQ(target("team/app", "latest"), image_.manifest.digest.to_string());
}

TEST_F(RegistryStoreTest, NothingIsStoredWhileSomethingIsMissing) {
  const auto config = push_blob("app", image_.config_bytes);
  const auto layer = image_.layers[0].first.digest;
  // Here, but in another repository.
  push_blob("other", image_.layers[0].second);
  const auto files = store_.files();
  const auto unknown = descriptor_of("a", "unknown").digest;
  EXPECT_THAT(
      push_document("app", image_.manifest_bytes, image_.manifest.media_type, {"1"}, {config, layer}, {unknown}),
      ElementsAre(layer, unknown));
  EXPECT_EQ(store_.files(), files);
  EXPECT_EQ(target("app", "1"), "");
  EXPECT_EQ(count("manifest"), 0);
  // Of what need not be there nothing is asked.
  EXPECT_THAT(push_document("app", image_.manifest_bytes, image_.manifest.media_type, {"1"}, {config}), ElementsAre());
  EXPECT_FALSE(is_visible("app", layer)) << "naming a blob does not show it";
}

TEST_F(RegistryStoreTest, RefusesBytesThatAreSomethingElseAndBadTags) {
  const oci::Document document = oci::parse_document(image_.manifest_bytes, "", "test");
  ManifestUpload upload{.repository = "app",
                        .descriptor = descriptor_of(image_.manifest.media_type, "other"),
                        .bytes = image_.manifest_bytes,
                        .document = document};
  EXPECT_EQ(code_of([&] { registry().put_manifest(upload); }), ErrorCode::kDataLoss);
  upload.descriptor = image_.manifest;
  upload.tags = {"a/b"};
  EXPECT_EQ(code_of([&] { registry().put_manifest(upload); }), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(store_.files().empty());
}

TEST_F(RegistryStoreTest, PushingAgainMovesTagsAndEachRepositoryKeepsItsMediaType) {
  push("app", image_, {"1"});
  push("app", image_, {"1", "2"});
  EXPECT_THAT(registry().list_tags("app", {}).names, ElementsAre("1", "2"));
  const TestImage next = make_image({.layers = {"next"}});
  push("app", next, {"1"});
  EXPECT_EQ(target("app", "1"), next.manifest.digest.to_string());
  EXPECT_EQ(target("app", "2"), image_.manifest.digest.to_string());

  json bare = json::parse(image_.manifest_bytes);
  bare.erase("mediaType");
  const std::string bytes = bare.dump();
  const auto digest = descriptor_of("", bytes).digest;
  push_document("as-oci", bytes, oci::media_type::kOciManifest, {});
  push_document("as-docker", bytes, oci::media_type::kDockerManifest, {});
  EXPECT_EQ(registry().find_manifest("as-oci", digest)->media_type, oci::media_type::kOciManifest);
  EXPECT_EQ(registry().find_manifest("as-docker", digest)->media_type, oci::media_type::kDockerManifest);
}

TEST_F(RegistryStoreTest, AnIndexNeedsItsManifestsInItsRepository) {
  push("other", image_, {});
  const auto index = tests::make_index({{image_, linux_on("amd64")}});
  const auto child = image_.manifest.digest;
  EXPECT_THAT(push_document("app", index.second, index.first.media_type, {"1"}, {}, {child}), ElementsAre(child));
  push("app", image_, {});
  EXPECT_THAT(push_document("app", index.second, index.first.media_type, {"1"}, {}, {child}), ElementsAre());
  EXPECT_EQ(registry().find_tag("app", "1")->target, index.first);
}

TEST_F(RegistryStoreTest, Sha512IsAsGood) {
  const std::string bytes = R"({"schemaVersion":2,"manifests":[]})";
  const auto digest = oci::digest_of(base::as_bytes(bytes), oci::DigestAlgorithm::kSha512);
  const oci::Document document = oci::parse_document(bytes, oci::media_type::kOciIndex, "test");
  registry().put_manifest({.repository = "app",
                           .descriptor = {.media_type = std::string(oci::media_type::kOciIndex),
                                          .digest = digest,
                                          .size_bytes = static_cast<std::int64_t>(bytes.size())},
                           .bytes = bytes,
                           .document = document,
                           .tags = {"1"}});
  EXPECT_EQ(target("app", "1"), digest.to_string());
  EXPECT_EQ(store_.content().read_blob(digest, 1000), bytes);
}

TEST_F(RegistryStoreTest, DeletingByTagAndByDigest) {
  push("app", image_, {"1", "2", "3"});
  EXPECT_TRUE(registry().remove_tag("app", "1"));
  EXPECT_FALSE(registry().remove_tag("app", "1"));
  EXPECT_FALSE(registry().remove_tag("none", "1"));
  EXPECT_TRUE(registry().find_manifest("app", image_.manifest.digest));
  EXPECT_EQ(code_of([&] { registry().unlink_blob("app", image_.config.digest); }), ErrorCode::kConflict);
  EXPECT_TRUE(registry().remove_manifest("app", image_.manifest.digest));
  EXPECT_FALSE(registry().remove_manifest("app", image_.manifest.digest));
  EXPECT_THAT(registry().list_tags("app", {}).names, ElementsAre());
  EXPECT_FALSE(registry().find_manifest("app", image_.manifest.digest));
  EXPECT_TRUE(registry().unlink_blob("app", image_.config.digest));
  EXPECT_FALSE(registry().unlink_blob("app", image_.config.digest));
  EXPECT_FALSE(is_visible("app", image_.config.digest));
  EXPECT_TRUE(is_visible("app", image_.layers[0].first.digest));
}

TEST_F(RegistryStoreTest, WhatThePushNeedsIsRenewedWhenItIsAskedFor) {
  const auto blob = push_blob("app", "content");
  store_.execute("UPDATE repository_blob SET touched_at=1");
  EXPECT_TRUE(is_visible("app", blob));
  EXPECT_EQ(count("repository_blob WHERE touched_at=1"), 0);
  const std::string recent = std::to_string((base::now() - std::chrono::minutes(20)).time_since_epoch().count());
  store_.execute("UPDATE repository_blob SET touched_at=" + recent);
  EXPECT_TRUE(is_visible("app", blob));
  EXPECT_EQ(count("repository_blob WHERE touched_at=" + recent), 1) << "not half of the grace is over: no write";
  push("app", image_, {});
  store_.execute("UPDATE repository_blob SET touched_at=1");
  EXPECT_TRUE(is_visible("app", image_.config.digest));
  EXPECT_EQ(count("repository_blob WHERE touched_at=1"), 4) << "what a manifest needs does not wait";
  EXPECT_TRUE(registry().remove_manifest("app", image_.manifest.digest));
  EXPECT_EQ(count("repository_blob WHERE touched_at=1"), 1) << "and waits from its removal on";
}

TEST_F(RegistryStoreTest, ADamagedBlobIsAbsent) {
  const auto blob = push_blob("app", "content");
  std::filesystem::remove(store_.content().blob_path(blob));
  EXPECT_FALSE(is_visible("app", blob));
  EXPECT_FALSE(registry().link_blob("other", RepositoryKind::kPushed, blob));
  EXPECT_FALSE(registry().link_blob("other", RepositoryKind::kPushed, descriptor_of("", "unknown").digest));
}

TEST_F(RegistryStoreTest, WhatWasPulledIsARepositoryThatIsOnlyRead) {
  store_.publish(image_, "alpine:3");
  const std::string name = "docker.io/library/alpine";
  EXPECT_EQ(registry().find_repository(name), RepositoryKind::kPulled);
  const auto tag = registry().find_tag(name, "3");
  ASSERT_TRUE(tag);
  EXPECT_EQ(tag->target, image_.manifest);
  EXPECT_EQ(tag->kind, RepositoryKind::kPulled);
  EXPECT_LT(base::now() - tag->updated_at, std::chrono::hours(1));
  EXPECT_EQ(registry().find_manifest(name, image_.manifest.digest), image_.manifest);
  EXPECT_TRUE(is_visible(name, image_.config.digest));
  EXPECT_TRUE(is_visible(name, image_.layers[1].first.digest));
  EXPECT_FALSE(is_visible(name, image_.manifest.digest));
  EXPECT_EQ(registry().find_described(name, image_.layers[1].first.digest), image_.layers[1].first);
  EXPECT_FALSE(is_visible("docker.io/library/other", image_.config.digest));
  EXPECT_FALSE(registry().find_manifest("docker.io/library/other", image_.manifest.digest));
  EXPECT_EQ(code_of([&] { push_document(name, image_.manifest_bytes, image_.manifest.media_type, {"4"}); }),
            ErrorCode::kPermissionDenied);
  EXPECT_EQ(code_of([&] { registry().link_blob(name, RepositoryKind::kPushed, image_.config.digest); }),
            ErrorCode::kPermissionDenied);
  EXPECT_FALSE(registry().remove_tag(name, "3"));
  EXPECT_FALSE(registry().remove_manifest(name, image_.manifest.digest));
  EXPECT_FALSE(registry().unlink_blob(name, image_.config.digest));
  EXPECT_TRUE(registry().list_referrers(name, image_.manifest.digest, "", {}).manifests.empty());
}

TEST_F(RegistryStoreTest, OfAPulledIndexThePlatformsThatAreHereAreVisible) {
  const TestImage arm = make_image({.architecture = "arm64", .layers = {"arm"}});
  const auto index = tests::make_index({{image_, linux_on("amd64")}, {arm, linux_on("arm64")}});
  store_.publish_index(index, {image_}, "localhost:5000/app:1");
  const std::string name = "localhost_5000/app";
  EXPECT_EQ(registry().find_tag(name, "1")->target, index.first);
  EXPECT_TRUE(registry().find_manifest(name, image_.manifest.digest));
  EXPECT_FALSE(registry().find_manifest(name, arm.manifest.digest));
  EXPECT_EQ(registry().find_described(name, arm.manifest.digest)->size_bytes, arm.manifest.size_bytes);
  // That somebody pushes the other platform elsewhere changes nothing.
  push("private/app", arm, {"1"});
  EXPECT_FALSE(registry().find_manifest(name, arm.manifest.digest));
  EXPECT_FALSE(is_visible(name, arm.layers[0].first.digest));
  EXPECT_EQ(store_.images().list_variants(index.first.digest).size(), 1U);
  EXPECT_FALSE(store_.images().list_entries(index.first.digest)[1].is_complete);
}

TEST_F(RegistryStoreTest, OwnTagsWinOverPulledOnes) {
  const std::string name = "docker.io/team/app";
  push(name, image_, {"1"});
  const TestImage pulled = make_image({.layers = {"pulled"}});
  store_.publish(pulled, "team/app:1");
  store_.publish(pulled, "team/app:2");
  EXPECT_EQ(target(name, "1"), image_.manifest.digest.to_string());
  EXPECT_EQ(target(name, "2"), pulled.manifest.digest.to_string());
  EXPECT_THAT(registry().list_tags(name, {}).names, ElementsAre("1", "2"));
  // An index over what is visible only because it was pulled stays whole when the pulled image goes.
  const auto index = tests::make_index({{pulled, linux_on("amd64")}});
  EXPECT_THAT(push_document(name, index.second, index.first.media_type, {"both"}, {}, {pulled.manifest.digest}),
              ElementsAre());
  store_.images().remove({.image = pulled.manifest.digest, .even_if_named = true});
  EXPECT_TRUE(registry().find_manifest(name, pulled.manifest.digest));
  EXPECT_TRUE(is_visible(name, pulled.layers[0].first.digest));
  EXPECT_TRUE(is_visible(name, pulled.config.digest));
}

TEST_F(RegistryStoreTest, CachedTagsAreConfirmed) {
  const std::string name = "docker.io/library/alpine";
  const auto cached = RepositoryKind::kCached;
  push_document(name, image_.manifest_bytes, image_.manifest.media_type, {"3"}, {}, {}, cached);
  EXPECT_EQ(registry().find_repository(name), cached);
  EXPECT_EQ(registry().find_described(name, image_.config.digest)->size_bytes, image_.config.size_bytes);
  EXPECT_EQ(code_of([&] { push_blob(name, "x"); }), ErrorCode::kPermissionDenied);
  store_.execute("UPDATE repository_tag SET updated_at=1");
  EXPECT_TRUE(registry().confirm_tag(name, "3", image_.manifest.digest));
  EXPECT_LT(base::now() - registry().find_tag(name, "3")->updated_at, std::chrono::hours(1));
  EXPECT_TRUE(registry().confirm_tag(name, "new", image_.manifest.digest));
  EXPECT_EQ(target(name, "new"), image_.manifest.digest.to_string());
  EXPECT_FALSE(registry().confirm_tag(name, "3", descriptor_of("", "unknown").digest));
  push("own", image_, {"1"});
  EXPECT_EQ(code_of([&] { registry().confirm_tag("own", "1", image_.manifest.digest); }), ErrorCode::kPermissionDenied);
}

TEST_F(RegistryStoreTest, OfACachedAndAPulledTagTheNewerOneCounts) {
  const std::string name = "docker.io/library/alpine";
  const TestImage pulled = make_image({.layers = {"pulled"}});
  push_document(name, image_.manifest_bytes, image_.manifest.media_type, {"3"}, {}, {}, RepositoryKind::kCached);
  store_.publish(pulled, "alpine:3");
  EXPECT_EQ(target(name, "3"), pulled.manifest.digest.to_string());
  EXPECT_TRUE(registry().confirm_tag(name, "3", image_.manifest.digest));
  EXPECT_EQ(target(name, "3"), image_.manifest.digest.to_string());
  // What was pulled can be confirmed too, and stays then.
  EXPECT_TRUE(registry().confirm_tag(name, "3", pulled.manifest.digest));
  store_.images().remove({.image = pulled.manifest.digest, .even_if_named = true});
  EXPECT_EQ(registry().find_tag(name, "3")->kind, RepositoryKind::kCached);
  EXPECT_EQ(target(name, "3"), pulled.manifest.digest.to_string());
  EXPECT_TRUE(is_visible(name, pulled.layers[0].first.digest));
}

TEST_F(RegistryStoreTest, NamesComeInPagesEachOnceSortedByByte) {
  push_blob("n", "x");
  push_blob("n/a", "x");
  push_blob("n-a", "x");
  push_blob("docker.io/library/app", "x");
  store_.publish(image_, "app:1");
  store_.publish(image_, "app:2");
  store_.publish(image_, "[::1]:5000/never:1");
  std::vector<std::string> seen;
  PageRequest request{.limit = 1};
  for (NamePage page = registry().list_repositories(request);; page = registry().list_repositories(request)) {
    ASSERT_EQ(page.names.size(), 1U);
    seen.push_back(page.names.front());
    request.after = seen.back();
    if (!page.has_more) break;
  }
  EXPECT_THAT(seen, ElementsAre("docker.io/library/app", "n", "n-a", "n/a"));
  EXPECT_THAT(registry().list_repositories({.after = "n/a"}).names, ElementsAre());
  EXPECT_FALSE(registry().list_repositories({.limit = 4}).has_more);

  push("n", image_, {"a", "B", "a.b", "a-b", "_"});
  const NamePage page = registry().list_tags("n", {.after = "_", .limit = 2});
  EXPECT_THAT(page.names, ElementsAre("a", "a-b"));
  EXPECT_TRUE(page.has_more);
  EXPECT_THAT(registry().list_tags("n", {.after = "A"}).names, ElementsAre("B", "_", "a", "a-b", "a.b"));
  const NamePage none = registry().list_tags("n", {.limit = 0});
  EXPECT_THAT(none.names, ElementsAre());
}

TEST_F(RegistryStoreTest, HoldersAreOfEveryKind) {
  const auto digest = image_.config.digest;
  store_.publish(image_, "alpine:3");
  push("app", image_, {});
  push_blob("docker.io/cached", image_.config_bytes, RepositoryKind::kCached);
  auto holders = registry().list_holders(digest, 10);
  std::ranges::sort(holders);
  EXPECT_THAT(holders, ElementsAre("app", "docker.io/cached", "docker.io/library/alpine"));
  EXPECT_EQ(registry().list_holders(digest, 2).size(), 2U);
  EXPECT_TRUE(registry().list_holders(descriptor_of("", "unknown").digest, 10).empty());
}

// Every artifact of a store may have the same empty config: what has no such repository does not go through them.
TEST_F(RegistryStoreTest, OfAnUnknownRepositoryNoLinksAreLookedAt) {
  store_.publish(image_, "alpine:3");
  push("app", image_, {});
  store_.execute("ALTER TABLE link RENAME TO hidden_link");
  EXPECT_FALSE(is_visible("unknown", image_.config.digest));
  EXPECT_FALSE(registry().find_manifest("unknown", image_.manifest.digest));
  EXPECT_FALSE(registry().find_described("unknown", image_.config.digest));
  EXPECT_FALSE(is_visible("app", image_.manifest.digest));
  store_.execute("ALTER TABLE hidden_link RENAME TO link");
  EXPECT_TRUE(is_visible("docker.io/library/alpine", image_.config.digest));
}

TEST_F(RegistryStoreTest, WhatWasOnlyPushedIsNoCopy) {
  const auto& config = image_.config.digest;
  const auto& manifest = image_.manifest.digest;
  push("private", image_, {"1"});
  EXPECT_FALSE(registry().is_copied_blob(config));
  EXPECT_FALSE(registry().is_copied_manifest(manifest));
  store_.publish(image_, "alpine:3");
  EXPECT_TRUE(registry().is_copied_blob(config));
  EXPECT_TRUE(registry().is_copied_manifest(manifest));
  EXPECT_FALSE(registry().is_copied_blob(manifest));
  store_.images().remove({.image = manifest, .even_if_named = true});
  EXPECT_FALSE(registry().is_copied_blob(config));
  EXPECT_FALSE(registry().is_copied_manifest(manifest));
  push_blob("docker.io/cached", image_.config_bytes, RepositoryKind::kCached);
  push_document("docker.io/cached", image_.manifest_bytes, image_.manifest.media_type, {}, {}, {},
                RepositoryKind::kCached);
  EXPECT_TRUE(registry().is_copied_blob(config));
  EXPECT_TRUE(registry().is_copied_manifest(manifest));
  EXPECT_FALSE(registry().is_copied_blob(image_.layers[0].first.digest));
}

TEST_F(RegistryStoreTest, AManifestThatIsAskedForIsRenewed) {
  push("app", image_, {});
  store_.execute("UPDATE repository_manifest SET added_at=1");
  EXPECT_TRUE(registry().find_manifest("app", image_.manifest.digest));
  EXPECT_EQ(count("repository_manifest WHERE added_at=1"), 0);
  const std::string recent = std::to_string((base::now() - std::chrono::minutes(20)).time_since_epoch().count());
  store_.execute("UPDATE repository_manifest SET added_at=" + recent);
  EXPECT_TRUE(registry().find_manifest("app", image_.manifest.digest));
  EXPECT_EQ(count("repository_manifest WHERE added_at=" + recent), 1) << "not half of the grace is over: no write";
}

TEST_F(RegistryStoreTest, ACachedTagThatIsAskedForIsNotedNowAndThen) {
  const std::string name = "docker.io/library/alpine";
  push_document(name, image_.manifest_bytes, image_.manifest.media_type, {"3"}, {}, {}, RepositoryKind::kCached);
  push("app", image_, {"3"});
  const auto touch = [&](const std::string& repository) {
    registry().touch_tag(repository, "3", *registry().find_tag(repository, "3"));
    return registry().find_tag(repository, "3")->asked_at;
  };
  EXPECT_EQ(touch(name), base::Timestamp()) << "it was confirmed just now";
  store_.execute("UPDATE repository_tag SET updated_at=1");
  const auto asked_at = touch(name);
  EXPECT_LT(base::now() - asked_at, std::chrono::minutes(1));
  EXPECT_EQ(touch(name), asked_at);
  EXPECT_EQ(touch("app"), base::Timestamp()) << "what was pushed ages";
}

class ReferrersTest : public RegistryStoreTest {
 protected:
  oci::Digest refer(const std::string& artifact_type, std::size_t annotation_bytes, int number) {
    json document = {{"schemaVersion", 2},
                     {"mediaType", oci::media_type::kOciManifest},
                     {"artifactType", artifact_type},
                     {"config", oci::to_json(descriptor_of(kEmptyType, "{}"))},
                     {"layers", json::array()},
                     {"subject", oci::to_json(subject_)},
                     {"annotations", {{"number", std::to_string(number)}, {"x", std::string(annotation_bytes, 'x')}}}};
    const std::string bytes = document.dump();
    EXPECT_THAT(push_document("app", bytes, oci::media_type::kOciManifest, {}), ElementsAre());
    return descriptor_of("", bytes).digest;
  }
  oci::Descriptor subject_ = image_.manifest;
};

TEST_F(ReferrersTest, AreListedWhetherTheSubjectIsHereOrNot) {
  const auto digest = refer("type/a", 1, 1);
  const auto page = registry().list_referrers("app", subject_.digest, "", {});
  ASSERT_EQ(page.manifests.size(), 1U);
  EXPECT_EQ(page.manifests[0].digest, digest);
  EXPECT_EQ(page.manifests[0].artifact_type, "type/a");
  EXPECT_EQ(page.manifests[0].annotations.at("number"), "1");
  EXPECT_EQ(page.manifests[0].media_type, oci::media_type::kOciManifest);
  EXPECT_TRUE(registry().list_referrers("other", subject_.digest, "", {}).manifests.empty());
  push("app", image_, {"1"});
  registry().remove_manifest("app", subject_.digest);
  EXPECT_EQ(registry().list_referrers("app", subject_.digest, "", {}).manifests.size(), 1U);
  registry().remove_manifest("app", digest);
  EXPECT_TRUE(registry().list_referrers("app", subject_.digest, "", {}).manifests.empty());
}

TEST_F(ReferrersTest, AreFilteredAndPaged) {
  std::vector<oci::Digest> all;
  for (int i = 0; i < 5; ++i) all.push_back(refer(i % 2 == 0 ? "type/even" : "type/odd", 1, i));
  std::ranges::sort(all);
  EXPECT_EQ(registry().list_referrers("app", subject_.digest, "type/even", {}).manifests.size(), 3U);
  EXPECT_EQ(registry().list_referrers("app", subject_.digest, "type/none", {}).manifests.size(), 0U);
  const auto page = registry().list_referrers("app", subject_.digest, "", {.after = all[1].to_string(), .limit = 2});
  ASSERT_EQ(page.manifests.size(), 2U);
  EXPECT_EQ(page.manifests[0].digest, all[2]);
  EXPECT_TRUE(page.has_more);
  EXPECT_FALSE(registry().list_referrers("app", subject_.digest, "", {.limit = 5}).has_more);
}

TEST_F(ReferrersTest, APageHasAtMostSoManyBytes) {
  for (int i = 0; i < 3; ++i) refer("type/large", 2'000'000, i);
  const auto page = registry().list_referrers("app", subject_.digest, "", {});
  EXPECT_EQ(page.manifests.size(), 1U);
  EXPECT_TRUE(page.has_more);
}

// ---- One store, two faces

TEST_F(ReferrersTest, APulledOneIsListedOnceItIsConfirmed) {
  TestImage signature = make_image({.layers = {"signature"}});
  json document = json::parse(signature.manifest_bytes);
  document["subject"] = oci::to_json(subject_);
  signature.manifest_bytes = document.dump();
  signature.manifest = descriptor_of(oci::media_type::kOciManifest, signature.manifest_bytes);
  store_.publish(signature, "team/app:signature");
  const std::string name = "docker.io/team/app";
  const auto listed = [&] { return registry().list_referrers(name, subject_.digest, "", {}).manifests.size(); };
  EXPECT_FALSE(registry().confirm_manifest(name, subject_.digest));
  EXPECT_EQ(listed(), 0U);
  EXPECT_TRUE(registry().confirm_manifest(name, signature.manifest.digest));
  EXPECT_EQ(listed(), 1U);
  EXPECT_TRUE(registry().confirm_manifest(name, signature.manifest.digest));
  EXPECT_TRUE(is_visible(name, signature.config.digest));
}

TEST_F(RegistryStoreTest, RemovingImagesTakesNothingFromARepository) {
  push("app", image_, {"1"});
  store_.publish(image_, "alpine:3");
  const auto all = store_.files();
  store_.images().remove({.image = image_.manifest.digest, .even_if_named = true});
  EXPECT_EQ(store_.files(), all);
  store_.publish(image_, "alpine:3");
  EXPECT_EQ(store_.images().prune({.selects = [](ImageRecord&) { return true; },
                                   .on_removed = [](const Removal&, const RemovalResult&) {}},
                                  {}),
            0);
  EXPECT_EQ(store_.files(), all);
  EXPECT_EQ(store_.content().measure_usage().unneeded_bytes(), 0);
  store_.reopen(std::chrono::hours(0));
  EXPECT_EQ(store_.files(), all);
}

TEST_F(RegistryStoreTest, RemovingAPlatformLeavesTheRepositorysContent) {
  const TestImage arm = make_image({.architecture = "arm64", .layers = {"arm"}});
  const auto index = tests::make_index({{image_, linux_on("amd64")}, {arm, linux_on("arm64")}});
  store_.publish_index(index, {image_, arm}, "multi:1");
  push("app", arm, {"1"});
  const auto all = store_.files();
  EXPECT_THAT(store_.images().remove_variants({arm.manifest.digest}), ElementsAre(arm.manifest.digest));
  EXPECT_EQ(store_.files(), all);
  EXPECT_EQ(store_.images().list_variants(index.first.digest).size(), 1U);
  EXPECT_TRUE(is_visible("app", arm.layers[0].first.digest));
  EXPECT_EQ(target("app", "1"), arm.manifest.digest.to_string());
  EXPECT_FALSE(registry().find_manifest("docker.io/library/multi", arm.manifest.digest));
  EXPECT_THAT(store_.images().remove_variants({arm.manifest.digest}), ElementsAre()) << "it is gone already";
  // It comes back with a pull.
  store_.publish_index(index, {image_, arm}, "multi:1");
  EXPECT_EQ(store_.images().list_variants(index.first.digest).size(), 2U);
}

TEST_F(RegistryStoreTest, AnImageIsPublishedOverWhatWasPushed) {
  push("app", image_, {"1"});
  store_.publish(image_, "alpine:3");
  const auto image = store_.images().get_image("alpine:3");
  EXPECT_EQ(image.manifest, image_.manifest.digest);
  EXPECT_EQ(oci::to_string(store_.images().list_variants(image_.manifest.digest)[0].platform), "linux/amd64");
}

TEST_F(RegistryStoreTest, AnOlderStoreIsTakenOver) {
  store_.publish(image_, "alpine:3");
  registry_.reset();
  store_.execute(tests::kBackToVersion2);
  reopen();
  EXPECT_EQ(store_.images().list_variants(image_.manifest.digest).size(), 1U);
  const auto tag = registry().find_tag("docker.io/library/alpine", "3");
  ASSERT_TRUE(tag);
  EXPECT_EQ(tag->updated_at, store_.images().get_image("alpine:3").tagged_at);
  push("app", image_, {"1"});
  EXPECT_TRUE(is_visible("docker.io/library/alpine", image_.config.digest));
}

}  // namespace
}  // namespace lighterd::imagestore
