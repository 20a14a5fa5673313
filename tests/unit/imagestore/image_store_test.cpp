// SPDX-License-Identifier: Apache-2.0
#include "imagestore/image_store.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.hpp"
#include "tests/support/test_store.hpp"

namespace lighterd::imagestore {
namespace {

using tests::make_image;
using tests::TestImage;
using tests::TestStore;

oci::Reference name(const std::string& text) {
  return oci::parse_reference(text).with_default_tag();
}

oci::Platform platform(const std::string& architecture) {
  return {.architecture = architecture, .os = "linux", .os_version = {}, .os_features = {}, .variant = {}};
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error.text();
  }
  return "nothing was thrown";
}

struct TwoPlatforms {
  TestImage amd64 = make_image({.architecture = "amd64", .layers = {"shared", "amd64"}});
  TestImage arm64 = make_image({.architecture = "arm64", .layers = {"shared", "arm64"}});
  std::pair<oci::Descriptor, std::string> index =
      tests::make_index({{arm64, platform("arm64")}, {amd64, platform("amd64")}});
};

TEST(ImageStoreTest, FindsAnImageByEveryName) {
  TestStore store;
  const TwoPlatforms content;
  store.publish_index(content.index, {content.amd64}, "example.com/app:1");
  const auto id = content.index.first.digest;
  for (const std::string& argument :
       {std::string("example.com/app:1"), id.to_string(), id.hex(), id.hex().substr(0, 12), id.hex().substr(0, 4),
        "sha256:" + id.hex().substr(0, 7), "example.com/app@" + id.to_string(),
        "example.com/app:other@" + id.to_string(), content.amd64.config.digest.to_string(),
        content.amd64.config.digest.hex().substr(0, 12), content.amd64.manifest.digest.to_string()}) {
    const auto found = store.images().find_image(argument);
    ASSERT_TRUE(found) << argument;
    EXPECT_EQ(found->target.digest, id) << argument;
  }
}

TEST(ImageStoreTest, SaysWhatItDoesNotFindInDockersWords) {
  TestStore store;
  const auto image = make_image();
  store.publish(image, "app");
  const auto text = [&](const std::string& argument) { return error_of([&] { store.images().get_image(argument); }); };
  EXPECT_EQ(text("nope"), "No such image: nope:latest");
  EXPECT_EQ(text("example.com/x:2"), "No such image: example.com/x:2");
  EXPECT_EQ(text("abcd1234"), "No such image: abcd1234:latest");
  const std::string other(64, 'e');
  EXPECT_EQ(text(other), "No such image: sha256:" + other);
  EXPECT_EQ(text("other@" + image.manifest.digest.to_string()),
            "No such image: other@" + image.manifest.digest.to_string());
  EXPECT_EQ(text(image.manifest.digest.hex().substr(0, 3)),
            "No such image: " + image.manifest.digest.hex().substr(0, 3) + ":latest");
}

TEST(ImageStoreTest, NameWinsOverAPrefixAndAnAmbiguousPrefixIsAnError) {
  TestStore store;
  const auto image = make_image({.layers = {"a"}});
  const auto other = make_image({.layers = {"b"}});
  store.publish(image, "app");
  store.publish(other, image.manifest.digest.hex().substr(0, 6));
  EXPECT_EQ(store.images().get_image(image.manifest.digest.hex().substr(0, 6)).target.digest, other.manifest.digest);
  EXPECT_EQ(store.images().get_image(image.manifest.digest.hex().substr(0, 7)).target.digest, image.manifest.digest);
}

TEST(ImageStoreTest, AmbiguousPrefixIsRefused) {
  TestStore store;
  std::map<std::string, int> prefixes;
  std::string shared;
  for (int i = 0; shared.empty(); ++i) {
    const auto image = make_image({.layers = {std::to_string(i)}});
    const std::string prefix = image.manifest.digest.hex().substr(0, 4);
    // Only pairs are published: 65,536 prefixes meet after some hundreds of images.
    const auto [seen, is_new] = prefixes.emplace(prefix, i);
    if (is_new) continue;
    store.publish(make_image({.layers = {std::to_string(seen->second)}}), "one");
    store.publish(image, "two");
    shared = prefix;
  }
  EXPECT_EQ(error_of([&] { store.images().get_image(shared); }), "ambiguous reference");
}

TEST(ImageStoreTest, ShowsTheHostsPlatformAndCountsWhatIsPresentOnce) {
  TestStore store;
  const TwoPlatforms content;
  store.publish_index(content.index, {content.arm64}, "app");
  auto record = store.images().get_image("app");
  EXPECT_EQ(record.manifest, content.arm64.manifest.digest);
  EXPECT_EQ(store.images().list_variants(record.target.digest).size(), 1U);

  EXPECT_EQ(store.publish_index(content.index, {content.amd64}, "app"), NameChange::kUnchanged);
  record = store.images().get_image("app");
  EXPECT_EQ(record.manifest, content.amd64.manifest.digest);
  const auto variants = store.images().list_variants(record.target.digest);
  ASSERT_EQ(variants.size(), 2U);
  EXPECT_EQ(variants[0].platform.architecture, "arm64");
  EXPECT_EQ(variants[1].config, content.amd64.config.digest);
  std::int64_t expected =
      content.index.first.size_bytes + static_cast<std::int64_t>(std::string("sharedamd64arm64").size());
  for (const auto& image : {content.amd64, content.arm64})
    expected += image.manifest.size_bytes + image.config.size_bytes;
  EXPECT_EQ(record.content_bytes, expected);
}

TEST(ImageStoreTest, ATagThatMovesLeavesTheOldImageWithoutName) {
  TestStore store;
  const auto first = make_image({.created = "2024-01-01T00:00:00Z", .layers = {"one"}});
  const auto second = make_image({.created = "2025-01-01T00:00:00Z", .layers = {"two"}});
  EXPECT_EQ(store.publish(first, "app"), NameChange::kCreated);
  EXPECT_EQ(store.publish(first, "app"), NameChange::kUnchanged);
  EXPECT_EQ(store.publish(second, "app"), NameChange::kMoved);
  const auto all = store.images().list_images();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].target.digest, second.manifest.digest);
  EXPECT_EQ(all[0].tags.size(), 1U);
  EXPECT_EQ(all[1].target.digest, first.manifest.digest);
  EXPECT_TRUE(all[1].tags.empty());
  EXPECT_TRUE(all[1].repositories().empty());
}

TEST(ImageStoreTest, RemovesAnImageWithItsLastNameAndKeepsWhatOthersShare) {
  TestStore store;
  const auto first = make_image({.layers = {"shared", "one"}});
  const auto second = make_image({.layers = {"shared", "two"}});
  store.publish(first, "first");
  store.publish(second, "second");
  store.images().tag(first.manifest.digest, name("example.com/alias:1"));

  auto result = store.images().remove({.image = first.manifest.digest, .names = {name("first")}});
  EXPECT_FALSE(result.image_removed);
  EXPECT_TRUE(store.images().find_image("example.com/alias:1"));

  result = store.images().remove({.image = first.manifest.digest, .names = {name("example.com/alias:1")}});
  EXPECT_TRUE(result.image_removed);
  EXPECT_EQ(result.freed_bytes, first.manifest.size_bytes + first.config.size_bytes + 3);
  EXPECT_FALSE(store.content().find_blob(first.layers[1].first.digest));
  EXPECT_TRUE(store.content().find_blob(first.layers[0].first.digest));
  EXPECT_EQ(store.files().size(), 4U);

  store.images().remove({.image = second.manifest.digest, .even_if_named = true});
  EXPECT_TRUE(store.files().empty());
  EXPECT_TRUE(store.images().list_images().empty());
}

TEST(ImageStoreTest, ALeaseKeepsContentWhileTheImageGoes) {
  TestStore store;
  const auto image = make_image({.layers = {"leased"}});
  store.publish(image, "app");
  {
    const auto lease = store.content().make_lease("save");
    ASSERT_TRUE(store.content().find_blob(image.layers[0].first.digest, lease));
    store.images().remove({.image = image.manifest.digest, .even_if_named = true});
    EXPECT_EQ(store.files(), std::vector<std::string>{image.layers[0].first.digest.to_string()});
  }
  store.reopen(std::chrono::hours(0));
  EXPECT_TRUE(store.files().empty());
}

TEST(ImageStoreTest, KeepsEverythingOverARestart) {
  TestStore store;
  const TwoPlatforms content;
  store.publish_index(content.index, {content.amd64}, "app:1");
  const auto before = store.images().get_image("app:1");
  store.reopen(std::chrono::hours(0));
  const auto after = store.images().get_image("app:1");
  EXPECT_EQ(after.target, before.target);
  EXPECT_EQ(after.tags, before.tags);
  EXPECT_EQ(after.content_bytes, before.content_bytes);
  EXPECT_EQ(base::format_rfc3339(*after.created), "2024-05-06T07:08:09Z");
  EXPECT_EQ(store.files().size(), 5U);
}

TEST(ImageStoreTest, KnowsWhereABlobIs) {
  TestStore store;
  const auto image = make_image();
  const auto& layer = image.layers[0].first.digest;
  store.publish(image, "app");
  store.content().add_source({layer}, {"docker.io", "library/a"});
  store.content().add_source({layer}, {"docker.io", "library/b"});
  store.content().add_source({layer}, {"example.com", "c"});
  EXPECT_EQ(store.content().list_sources(layer, "docker.io").size(), 2U);
  EXPECT_EQ(store.content().list_sources(layer, "example.com"), std::vector<std::string>{"c"});
  store.images().remove({.image = image.manifest.digest, .even_if_named = true});
  EXPECT_TRUE(store.content().list_sources(layer, "example.com").empty());
}

// Removal takes rows first and files afterwards, a commit puts the file first: whatever the order, each blob that is
// known has its file and each file is known.
TEST(ImageStoreTest, RemovalAndPublicationAtOnceLoseNothing) {
  TestStore store;
  const auto image = make_image();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        for (int round = 0; round < 40; ++round) store.publish(image, "app");
      });
      threads.emplace_back([&] {
        for (int round = 0; round < 40; ++round)
          store.images().remove({.image = image.manifest.digest, .even_if_named = true});
      });
    }
  }
  for (const auto& file : store.files()) EXPECT_TRUE(store.content().find_blob(oci::parse_digest(file))) << file;
  store.publish(image, "app");
  const auto lease = store.content().make_lease("check");
  for (const auto& [layer, bytes] : image.layers) EXPECT_TRUE(store.content().find_blob(layer.digest, lease));
  EXPECT_EQ(store.files().size(), 4U);
}

TEST(ImageStoreTest, ASecondRemovalFindsNothing) {
  TestStore store;
  const auto image = make_image();
  store.publish(image, "app");
  const Removal removal{.image = image.manifest.digest, .names = {name("app")}};
  EXPECT_EQ(store.images().remove(removal).removed_names, removal.names);
  const auto second = store.images().remove(removal);
  EXPECT_TRUE(second.removed_names.empty());
  EXPECT_FALSE(second.image_removed);
}

NewBlob new_blob(TestStore& store, const std::string& bytes) {
  auto file = store.content().start_file();
  file->write(base::as_bytes(bytes));
  return {{oci::digest_of(base::as_bytes(bytes)), static_cast<std::int64_t>(bytes.size()), std::nullopt},
          std::move(file)};
}

std::vector<NewBlob> blobs_of(TestStore& store, const TestImage& image) {
  std::vector<NewBlob> blobs;
  blobs.push_back(new_blob(store, image.manifest_bytes));
  blobs.push_back(new_blob(store, image.config_bytes));
  for (const auto& [descriptor, bytes] : image.layers) {
    blobs.push_back(new_blob(store, bytes));
    blobs.back().info.layer = LayerContent{descriptor.digest, descriptor.size_bytes};
  }
  return blobs;
}

Publication publication_of(const TestImage& image, const std::string& tag) {
  Publication publication{.target = image.manifest};
  oci::Document document = oci::parse_document(image.manifest_bytes, image.manifest.media_type, "test");
  oci::ImageConfig config = oci::parse_image_config(image.config_bytes);
  publication.manifests.push_back(
      {.descriptor = image.manifest, .document = std::move(document), .config = std::move(config)});
  publication.name = name(tag);
  return publication;
}

TEST(ImageStoreTest, PublishesSeveralNamesWithTheirBlobsAtOnce) {
  TestStore store;
  const auto other = make_image({.layers = {"other"}});
  store.publish(other, "moved:1");
  const auto image = make_image();
  std::vector<Publication> publications = {publication_of(image, "new:1")};
  publications.push_back({.target = image.manifest, .name = name("moved:1")});
  const auto results = store.images().publish(publications, blobs_of(store, image));
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].change, NameChange::kCreated);
  EXPECT_EQ(results[0].previous, std::nullopt);
  EXPECT_EQ(results[1].change, NameChange::kMoved);
  EXPECT_EQ(results[1].previous, other.manifest.digest);
  EXPECT_EQ(store.images().get_image("moved:1").target.digest, image.manifest.digest);
  EXPECT_EQ(store.images().get_image("new:1").tags.size(), 2U);
  EXPECT_TRUE(store.content().find_blob(image.layers[0].first.digest));
  EXPECT_TRUE(std::filesystem::is_empty(store.root() / "ingest"));
}

TEST(ImageStoreTest, PublishesAllOrNothing) {
  TestStore store;
  const auto kept = make_image({.layers = {"kept"}});
  store.publish(kept, "kept:1");
  const auto files = store.files();
  const auto image = make_image();
  // The second one's manifest is not there.
  const std::vector<Publication> publications = {publication_of(image, "kept:1"),
                                                 publication_of(make_image({.layers = {"absent"}}), "bad:1")};
  EXPECT_THROW(store.images().publish(publications, blobs_of(store, image)), base::Error);
  EXPECT_EQ(store.images().get_image("kept:1").target.digest, kept.manifest.digest);
  EXPECT_EQ(store.images().count_images(), 1);
  EXPECT_EQ(store.files(), files);
  EXPECT_TRUE(std::filesystem::is_empty(store.root() / "ingest"));
}

TEST(ImageStoreTest, TagNeedsTheImage) {
  TestStore store;
  EXPECT_EQ(error_of([&] { store.images().tag(make_image().manifest.digest, name("x")); }),
            "No such image: " + make_image().manifest.digest.to_string());
}

}  // namespace
}  // namespace lighterd::imagestore
