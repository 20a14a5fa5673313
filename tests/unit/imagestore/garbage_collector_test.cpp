// SPDX-License-Identifier: Apache-2.0
#include "imagestore/garbage_collector.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.hpp"
#include "imagestore/registry_store.hpp"
#include "tests/support/test_store.hpp"

namespace lighterd::imagestore {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::ElementsAre;
using tests::descriptor_of;
using tests::make_image;
using tests::TestImage;
using tests::TestStore;

constexpr auto kGrace = 1h;

class CollectorTest : public ::testing::Test {
 protected:
  // Whether the thread's round came before or after it: there is none any more when this returns.
  void collect(std::vector<RetentionRule> retention = {}) {
    GarbageCollector(store_.content(), uploads_, store_.database(),
                     {.interval = 24h, .grace = kGrace, .retention = std::move(retention)}, logger_)
        .collect({});
  }
  oci::Digest push_blob(const std::string& repository, const std::string& bytes) {
    const auto upload = uploads_.start_single(repository, oci::DigestAlgorithm::kSha256);
    upload->write(base::as_bytes(bytes));
    return upload->commit(descriptor_of("", bytes).digest).digest;
  }
  void put(const std::string& repository, const std::string& bytes, std::string_view type,
           std::vector<std::string> tags, std::vector<oci::Digest> blobs = {}) {
    const oci::Document document = oci::parse_document(bytes, type, "test");
    EXPECT_THAT(registry_.put_manifest({.repository = repository,
                                        .descriptor = descriptor_of(type, bytes),
                                        .bytes = bytes,
                                        .document = document,
                                        .tags = std::move(tags),
                                        .required_blobs = std::move(blobs)}),
                ElementsAre());
  }
  void push(const std::string& repository, const TestImage& image, std::vector<std::string> tags) {
    std::vector<oci::Digest> blobs = {push_blob(repository, image.config_bytes)};
    for (const auto& [layer, bytes] : image.layers) blobs.push_back(push_blob(repository, bytes));
    put(repository, image.manifest_bytes, image.manifest.media_type, std::move(tags), blobs);
  }
  // As if all that was done had been done two graces ago.
  void let_time_pass() {
    for (const char* column :
         {"repository.active_at", "repository_blob.touched_at", "repository_manifest.added_at",
          "repository_tag.updated_at", "repository_tag.asked_at", "blob.added_at", "upload.created_at"}) {
      const std::string text = column;
      const std::size_t dot = text.find('.');
      const std::string name = text.substr(dot + 1);
      store_.execute("UPDATE " + text.substr(0, dot) + " SET " + name + "=" + name + "-7200000000000");
    }
  }
  bool has(const std::string& repository, const TestImage& image) {
    return registry_.find_manifest(repository, image.manifest.digest).has_value();
  }
  // Without asking for them.
  std::int64_t manifests(const std::string& repository) {
    auto read = store_.database().read();
    Query query(*read,
                "SELECT count(*) FROM repository_manifest JOIN repository ON id=repository_manifest.repository"
                " WHERE name=?1");
    query.bind(repository);
    query.step();
    return query.integer(0);
  }
  std::vector<std::string> tags(const std::string& repository) { return registry_.list_tags(repository, {}).names; }

  TestStore store_;
  base::Logger logger_{base::LogLevel::kError};
  RegistryStore registry_{store_.content(), store_.database(), kGrace};
  UploadStore uploads_{store_.content(), registry_, store_.database()};
  TestImage image_ = make_image();
};

TEST_F(CollectorTest, BlobsThatNoManifestNeedsGoAfterTheGrace) {
  const auto blob = push_blob("app", "waits");
  collect();
  EXPECT_TRUE(registry_.find_blob("app", blob));
  let_time_pass();
  // Asked for, and so young again.
  EXPECT_TRUE(registry_.find_blob("app", blob));
  collect();
  EXPECT_TRUE(registry_.find_blob("app", blob));
  let_time_pass();
  collect();
  EXPECT_TRUE(store_.files().empty());
  EXPECT_FALSE(registry_.find_repository("app"));
}

TEST_F(CollectorTest, WhatManifestsNeedStays) {
  push("app", image_, {"1"});
  push("other", image_, {});
  store_.publish(make_image({.layers = {"of an image"}}), "image:1");
  const auto all = store_.files();
  let_time_pass();
  collect();
  let_time_pass();
  collect();
  EXPECT_EQ(store_.files(), all);
  EXPECT_TRUE(has("other", image_)) << "without a rule manifests without a tag stay";
}

TEST_F(CollectorTest, AfterADeletionAllGoesThatNothingElseNeeds) {
  const TestImage other = make_image({.layers = {"first layer", "own"}});
  push("app", image_, {"1"});
  push("app", other, {"2"});
  push("elsewhere", image_, {});
  registry_.remove_manifest("app", image_.manifest.digest);
  let_time_pass();
  collect();
  EXPECT_FALSE(registry_.find_blob("app", image_.layers[1].first.digest));
  EXPECT_TRUE(registry_.find_blob("app", image_.layers[0].first.digest)) << "the other manifest needs it";
  EXPECT_TRUE(registry_.find_blob("elsewhere", image_.layers[1].first.digest));
  registry_.remove_manifest("elsewhere", image_.manifest.digest);
  registry_.remove_manifest("app", other.manifest.digest);
  collect();
  EXPECT_FALSE(store_.files().empty()) << "it could have been asked for just now";
  let_time_pass();
  collect();
  EXPECT_TRUE(store_.files().empty());
  EXPECT_THAT(registry_.list_repositories({}).names, ElementsAre());
}

TEST_F(CollectorTest, NothingOfAnImageGoes) {
  store_.publish(image_, "alpine:3");
  push("app", image_, {"1"});
  const auto all = store_.files();
  registry_.remove_manifest("app", image_.manifest.digest);
  let_time_pass();
  collect();
  EXPECT_EQ(store_.files(), all);
  EXPECT_FALSE(registry_.find_repository("app"));
  EXPECT_TRUE(registry_.find_blob("docker.io/library/alpine", image_.layers[0].first.digest));
}

TEST_F(CollectorTest, WhatIsLeasedStays) {
  const auto blob = push_blob("app", "content");
  let_time_pass();
  {
    const Lease lease = store_.content().make_lease("push");
    ASSERT_TRUE(store_.content().find_blob(blob, lease));
    collect();
    EXPECT_EQ(store_.files().size(), 1U);
    EXPECT_FALSE(registry_.find_blob("app", blob)) << "but its link goes";
  }
  collect();
  EXPECT_TRUE(store_.files().empty());
}

TEST_F(CollectorTest, UploadsExpire) {
  const auto upload = uploads_.start("app", oci::DigestAlgorithm::kSha256);
  collect();
  EXPECT_EQ(uploads_.get_size(upload->id(), "app"), 0);
  const std::string id = uploads_.start("app", oci::DigestAlgorithm::kSha256)->id();
  std::filesystem::last_write_time(store_.root() / "ingest" / ("upload-" + id),
                                   std::filesystem::file_time_type::clock::now() - 24h * 8);
  store_.execute("UPDATE upload SET created_at=1");
  collect();
  EXPECT_THROW(uploads_.open(id, "app", {}), base::Error);
  EXPECT_EQ(uploads_.get_size(upload->id(), "app"), 0);
}

TEST_F(CollectorTest, KeepsTheNewestTagsByPrefix) {
  std::vector<TestImage> images;
  for (int i = 0; i < 4; ++i) {
    images.push_back(make_image({.layers = {"layer " + std::to_string(i)}}));
    for (const char* repository : {"ci", "ci/app", "ci/app/keep", "cinema"})
      push(repository, images.back(), {"v" + std::to_string(i)});
  }
  collect({{.prefix = "ci", .keep_tags = 2, .max_tag_age = {}},
           {.prefix = "ci/app/keep", .keep_tags = 3, .max_tag_age = {}}});
  EXPECT_THAT(tags("ci"), ElementsAre("v2", "v3"));
  EXPECT_THAT(tags("ci/app"), ElementsAre("v2", "v3"));
  EXPECT_THAT(tags("ci/app/keep"), ElementsAre("v1", "v2", "v3"));
  EXPECT_EQ(tags("cinema").size(), 4U);
  EXPECT_TRUE(has("ci", images[0])) << "young";
  let_time_pass();
  collect({{.prefix = "ci", .keep_tags = 2, .max_tag_age = {}}});
  EXPECT_FALSE(has("ci", images[1]));
  EXPECT_TRUE(has("ci", images[2]));
  EXPECT_TRUE(has("cinema", images[0]));
}

TEST_F(CollectorTest, OfTheSameTimeTheFirstByNameStay) {
  push("app", image_, {"c", "a", "d", "b"});
  collect({{.prefix = "", .keep_tags = 2, .max_tag_age = {}}});
  EXPECT_THAT(tags("app"), ElementsAre("a", "b"));
  collect({{.prefix = "", .keep_tags = 0, .max_tag_age = {}}});
  EXPECT_THAT(tags("app"), ElementsAre());
}

TEST_F(CollectorTest, TagsGoByAge) {
  push("app", image_, {"old"});
  let_time_pass();
  push("app", make_image({.layers = {"new"}}), {"new"});
  const std::vector<RetentionRule> rules = {{.prefix = "app", .keep_tags = {}, .max_tag_age = 24h}};
  store_.execute("UPDATE repository_tag SET updated_at=1 WHERE tag='old'");
  collect(rules);
  EXPECT_THAT(tags("app"), ElementsAre("new"));
  let_time_pass();
  collect(rules);
  EXPECT_FALSE(registry_.find_manifest("app", image_.manifest.digest));
  EXPECT_THAT(tags("app"), ElementsAre("new"));
}

TEST_F(CollectorTest, WhatNoTagPointsToAnyMoreHasItsGrace) {
  const std::vector<RetentionRule> rules = {{.prefix = "app", .keep_tags = 10, .max_tag_age = {}}};
  const TestImage other = make_image({.layers = {"other"}});
  push("app", image_, {"moves"});
  push("app", other, {"goes"});
  let_time_pass();
  push("app", make_image({.layers = {"new"}}), {"moves"});
  registry_.remove_tag("app", "goes");
  collect(rules);
  // A push may have been told that they are here.
  EXPECT_EQ(manifests("app"), 3);
  let_time_pass();
  collect(rules);
  EXPECT_EQ(manifests("app"), 1);
}

TEST_F(CollectorTest, AManifestThatWasAskedForHasItsGrace) {
  const std::vector<RetentionRule> rules = {{.prefix = "app", .keep_tags = 10, .max_tag_age = {}}};
  push("app", image_, {});
  let_time_pass();
  EXPECT_TRUE(has("app", image_));
  collect(rules);
  EXPECT_EQ(manifests("app"), 1);
  let_time_pass();
  collect(rules);
  EXPECT_EQ(manifests("app"), 0);
}

TEST_F(CollectorTest, ACachedTagThatIsAskedForDoesNotAge) {
  const std::string name = "docker.io/library/alpine";
  const oci::Document document = oci::parse_document(image_.manifest_bytes, image_.manifest.media_type, "test");
  registry_.put_manifest({.repository = name,
                          .kind = RepositoryKind::kCached,
                          .descriptor = image_.manifest,
                          .bytes = image_.manifest_bytes,
                          .document = document,
                          .tags = {"asked", "left"}});
  let_time_pass();
  registry_.touch_tag(name, "asked", *registry_.find_tag(name, "asked"));
  collect({{.prefix = "docker.io", .keep_tags = {}, .max_tag_age = 1h}});
  EXPECT_THAT(tags(name), ElementsAre("asked"));
}

TEST_F(CollectorTest, WhatATagLeadsToStaysWithItsReferrers) {
  const auto index = tests::make_index(
      {{image_, {.architecture = "amd64", .os = "linux", .os_version = {}, .os_features = {}, .variant = {}}}});
  push("app", image_, {});
  put("app", index.second, index.first.media_type, {"1"});
  const auto refer_to = [&](const oci::Descriptor& subject) {
    const json document = {{"schemaVersion", 2},
                           {"config", oci::to_json(descriptor_of("application/vnd.oci.empty.v1+json", "{}"))},
                           {"subject", oci::to_json(subject)}};
    const std::string bytes = document.dump();
    put("app", bytes, oci::media_type::kOciManifest, {}, {push_blob("app", "{}")});
    return descriptor_of(oci::media_type::kOciManifest, bytes);
  };
  const auto signature = refer_to(image_.manifest);
  const auto of_signature = refer_to(signature);
  const auto of_nothing = refer_to(descriptor_of(oci::media_type::kOciManifest, "gone"));
  let_time_pass();
  collect({{.prefix = "app", .keep_tags = 1, .max_tag_age = {}}});
  EXPECT_TRUE(has("app", image_));
  EXPECT_TRUE(registry_.find_manifest("app", signature.digest));
  EXPECT_TRUE(registry_.find_manifest("app", of_signature.digest));
  EXPECT_FALSE(registry_.find_manifest("app", of_nothing.digest));
  registry_.remove_tag("app", "1");
  let_time_pass();
  collect({{.prefix = "app", .keep_tags = 1, .max_tag_age = {}}});
  let_time_pass();
  collect();
  EXPECT_TRUE(store_.files().empty());
}

TEST_F(CollectorTest, TakesAnyNumberInBatches) {
  push("app", image_, {"0"});
  // Digests are the numbers, with zeros in front.
  store_.execute(
      "CREATE TEMP TABLE number AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1100)"
      " SELECT i, 'sha256:' || printf('%064d', i) AS digest FROM n;"
      "INSERT INTO blob SELECT digest, 1, 1 FROM number;"
      "INSERT INTO repository_blob SELECT 1, digest, 1, 1 FROM number;"
      "INSERT INTO repository_tag(repository, tag, digest, updated_at) SELECT 1, i, (SELECT digest FROM "
      "repository_manifest), 1 FROM number;");
  EXPECT_EQ(registry_.list_tags("app", {.limit = 10'000}).names.size(), 1101U);
  collect({{.prefix = "app", .keep_tags = 1, .max_tag_age = {}}});
  EXPECT_THAT(tags("app"), ElementsAre("0"));
  auto read = store_.database().read();
  Query query(*read, "SELECT (SELECT count(*) FROM repository_blob), (SELECT count(*) FROM blob)");
  query.step();
  EXPECT_EQ(query.integer(0), 3) << "of the image";
  EXPECT_EQ(query.integer(1), 4);
}

TEST_F(CollectorTest, TheThreadCollectsAndStops) {
  const auto blob = push_blob("app", "content");
  let_time_pass();
  {
    GarbageCollector collector(store_.content(), uploads_, store_.database(), {.interval = 1ms, .grace = kGrace},
                               logger_);
    while (!store_.files().empty()) std::this_thread::yield();
  }
  push_blob("app", "content");
  let_time_pass();
  EXPECT_TRUE(registry_.find_blob("app", blob)) << "nobody collects any more";
}

TEST_F(CollectorTest, SaysWhatItTookAndCanBeCancelled) {
  GarbageCollector collector(store_.content(), uploads_, store_.database(), {.interval = 24h, .grace = kGrace},
                             logger_);
  push_blob("app", "content");
  // Once the thread has had its only round.
  let_time_pass();
  Collected collected = collector.collect({});
  while (collected.links == 0) {
    push_blob("app", "content");
    let_time_pass();
    collected = collector.collect({});
  }
  EXPECT_EQ(collected.links, 1U);
  EXPECT_EQ(collected.freed_bytes, 7);
  std::stop_source stop;
  stop.request_stop();
  try {
    collector.collect(stop.get_token());
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kCancelled);
  }
}

// The grace is so short that a push may be too slow for it; the client is told then, and pushes again.
TEST_F(CollectorTest, NothingIsLostWhileOthersPushAndDelete) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 30;
  constexpr auto kShort = 100ms;
  RegistryStore registry(store_.content(), store_.database(), kShort);
  GarbageCollector busy(store_.content(), uploads_, store_.database(), {.interval = 1ms, .grace = kShort}, logger_);
  const auto push_at_last = [&](const std::string& repository, const TestImage& image, const std::string& tag) {
    const oci::Document document = oci::parse_document(image.manifest_bytes, "", "test");
    ManifestUpload upload{.repository = repository,
                          .descriptor = image.manifest,
                          .bytes = image.manifest_bytes,
                          .document = document,
                          .tags = {tag}};
    do {
      upload.required_blobs = {push_blob(repository, image.config_bytes)};
      for (const auto& [layer, bytes] : image.layers) {
        if (!registry.find_blob(repository, layer.digest)) push_blob(repository, bytes);
        upload.required_blobs.push_back(layer.digest);
      }
    } while (!registry.put_manifest(upload).empty());
  };
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      const std::string repository = "app/" + std::to_string(t);
      for (int i = 0; i < kRounds; ++i) {
        const TestImage image = make_image({.layers = {"shared", "round " + std::to_string(i)}});
        push_at_last(repository, image, "v" + std::to_string(i));
        if (i % 3 == 0) continue;
        EXPECT_TRUE(registry.remove_manifest(repository, image.manifest.digest));
      }
    });
  threads.clear();
  for (int t = 0; t < kThreads; ++t) {
    const std::string repository = "app/" + std::to_string(t);
    const auto names = registry.list_tags(repository, {}).names;
    EXPECT_EQ(names.size(), std::size_t{kRounds / 3});
    for (const std::string& tag : names) {
      const auto record = registry.find_tag(repository, tag);
      ASSERT_TRUE(record);
      const auto bytes = store_.content().read_blob(record->target.digest, 100'000);
      const oci::Document document = oci::parse_document(bytes, "", "test");
      const auto& manifest = std::get<oci::Manifest>(document);
      EXPECT_TRUE(registry.find_blob(repository, manifest.config.digest));
      for (const auto& layer : manifest.layers) {
        EXPECT_TRUE(registry.find_blob(repository, layer.digest));
        EXPECT_NO_THROW(store_.content().read_blob(layer.digest, 100'000));
      }
    }
    for (const std::string& tag : names)
      registry.remove_manifest(repository, registry.find_tag(repository, tag)->target.digest);
  }
  while (!store_.files().empty()) std::this_thread::yield();
}

}  // namespace
}  // namespace lighterd::imagestore
