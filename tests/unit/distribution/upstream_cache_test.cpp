// SPDX-License-Identifier: Apache-2.0
#include "distribution/upstream_cache.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "distribution/registry_error.hpp"
#include "tests/support/distribution_fixture.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;
using imagestore::RepositoryKind;
using testing::HasSubstr;
using tests::make_content;
using tests::make_image;
using tests::TestImage;
using namespace std::chrono_literals;

// "app" of the fake registry, cached in the store.
class UpstreamCacheTest : public tests::DistributionFixture, public testing::Test {
 protected:
  UpstreamCacheTest() {
    settings.down_pause = 1h;
    settings.patience = 1h;
  }

  // Made with the settings of the test, before it has threads.
  UpstreamCache& cache() {
    if (!cache_) cache_ = std::make_unique<UpstreamCache>(services(), repositories, settings);
    return *cache_;
  }
  oci::RepositoryName repository(const std::string& path = "app") const {
    return oci::parse_repository_name(registry.host() + "/" + path);
  }
  std::string local_name(const std::string& path = "app") const {
    return *imagestore::find_registry_name(repository(path));
  }
  CachedManifest get(const std::string& tag, const std::string& path = "app") {
    return cache().get_by_tag(repository(path), tag, {});
  }
  template <typename F>
  static ErrorCode code_of(F&& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.code();
    }
    throw std::logic_error("nothing was thrown");
  }
  std::size_t heads() const { return registry.count("HEAD", "*/manifests/*"); }
  std::size_t gets() const { return registry.count("GET", "*/manifests/*"); }
  TestImage serve_image(const std::string& path, const std::string& tag, const std::string& layer) {
    auto image = make_image({.layers = {layer}});
    serve(path, tag, image);
    return image;
  }

  UpstreamOptions settings;
  imagestore::RegistryStore repositories{store.content(), store.database(), 1h};

 private:
  std::unique_ptr<UpstreamCache> cache_;
};

TEST_F(UpstreamCacheTest, ATagIsFetchedOnceAndThenConfirmed) {
  const auto image = serve_image("app", "1", "layer");
  const auto first = get("1");
  EXPECT_EQ(first.descriptor, image.manifest);
  EXPECT_FALSE(first.stale);
  EXPECT_EQ(store.content().read_blob(image.manifest.digest, 10'000), image.manifest_bytes);
  EXPECT_EQ(repositories.find_tag(local_name(), "1")->kind, RepositoryKind::kCached);
  EXPECT_EQ(get("1").descriptor, image.manifest);
  EXPECT_EQ(heads(), 2U);
  EXPECT_EQ(gets(), 1U);
  EXPECT_EQ(registry.count("", "*/blobs/*"), 0U);
}

TEST_F(UpstreamCacheTest, WithinItsLifetimeATagCostsNoRequest) {
  settings.tag_lifetime = 1h;
  serve_image("app", "1", "layer");
  get("1");
  registry.clear_requests();
  EXPECT_FALSE(get("1").stale);
  EXPECT_TRUE(registry.requests().empty());
}

TEST_F(UpstreamCacheTest, AMovedTagIsFetchedAnew) {
  serve_image("app", "1", "old");
  get("1");
  const auto moved = serve_image("app", "1", "new");
  EXPECT_EQ(get("1").descriptor, moved.manifest);
  EXPECT_EQ(repositories.find_tag(local_name(), "1")->target.digest, moved.manifest.digest);
}

TEST_F(UpstreamCacheTest, WhatTheDockerFacePulledIsConfirmedWithoutBeingFetched) {
  const auto image = serve_image("app", "1", "layer");
  store.publish(image, registry.host() + "/app:1");
  EXPECT_EQ(get("1").descriptor.digest, image.manifest.digest);
  EXPECT_EQ(heads(), 1U);
  EXPECT_EQ(gets(), 0U);
  EXPECT_EQ(repositories.find_tag(local_name(), "1")->kind, RepositoryKind::kCached);
}

TEST_F(UpstreamCacheTest, WhatTheStoreHasByAnotherNameIsNotFetched) {
  const auto image = serve_image("app", "1", "layer");
  store.publish(image, "other:1");
  EXPECT_EQ(get("1").descriptor.digest, image.manifest.digest);
  EXPECT_EQ(gets(), 0U);
}

// Else whoever has an upstream could read here what he knows the digest of.
TEST_F(UpstreamCacheTest, AManifestThatWasOnlyPushedHereUpstreamHasToHave) {
  const auto image = serve_image("app", "1", "layer");
  const oci::Document document = oci::parse_document(image.manifest_bytes, image.manifest.media_type, "test");
  repositories.put_manifest(
      {.repository = "private", .descriptor = image.manifest, .bytes = image.manifest_bytes, .document = document});
  registry.add_fault({.method = "GET", .path = "*/manifests/*", .status = 404});
  EXPECT_EQ(code_of([&] { get("1"); }), ErrorCode::kNotFound);
  EXPECT_FALSE(repositories.find_manifest(local_name(), image.manifest.digest));
  EXPECT_EQ(get("1").descriptor.digest, image.manifest.digest);
  EXPECT_EQ(gets(), 2U);
}

TEST_F(UpstreamCacheTest, AStaleTagThatIsAskedForIsNoted) {
  serve_image("app", "1", "layer");
  get("1");
  registry.add_fault({.times = -1, .status = 503});
  const auto serve_again = [&] {
    store.execute("UPDATE repository_tag SET updated_at=1, asked_at=0");
    EXPECT_TRUE(get("1").stale);
    EXPECT_LT(base::now() - repositories.find_tag(local_name(), "1")->asked_at, 1min);
  };
  serve_again();
  serve_again();  // not asked upstream
}

TEST_F(UpstreamCacheTest, ManyWhoAskForATagMakeOneRequest) {
  settings.tag_lifetime = 1h;
  serve_image("app", "1", "layer");
  registry.add_fault({.method = "HEAD", .times = -1, .stall_before_head = true});
  (void)cache();
  std::vector<std::future<CachedManifest>> clients;
  for (int i = 0; i < 32; ++i) clients.push_back(std::async(std::launch::async, [&] { return get("1"); }));
  ASSERT_TRUE(registry.wait_for_requests(1, "HEAD", "*"));
  registry.clear_faults();
  registry.release_stalls();
  for (auto& client : clients) EXPECT_FALSE(client.get().stale);
  EXPECT_EQ(heads(), 1U);
  EXPECT_EQ(gets(), 1U);
}

struct Outage {
  std::string name;
  tests::Fault fault;
  bool is_of_host = true;  // else of the repository
};

class UpstreamOutageTest : public UpstreamCacheTest, public testing::WithParamInterface<Outage> {};

TEST_P(UpstreamOutageTest, WhatIsCachedIsServedWithTheReason) {
  const auto image = serve_image("app", "1", "layer");
  serve_image("team", "1", "other layer");
  get("1");
  get("1", "team");
  registry.add_fault(GetParam().fault);
  const auto stale = get("1");
  EXPECT_EQ(stale.descriptor, image.manifest);
  EXPECT_THAT(stale.stale.value_or(""), HasSubstr(registry.host() + ": "));
  registry.clear_requests();
  EXPECT_TRUE(get("1").stale);
  EXPECT_TRUE(registry.requests().empty()) << "is left alone for a while";
  registry.clear_faults();
  EXPECT_EQ(get("1", "team").stale.has_value(), GetParam().is_of_host);
}

INSTANTIATE_TEST_SUITE_P(All, UpstreamOutageTest,
                         testing::Values(Outage{"ServerError", {.times = -1, .status = 503}},
                                         Outage{"RateLimit",
                                                {.times = -1, .status = 429, .headers = {{"Retry-After", "3600"}}}},
                                         Outage{"Unauthorized", {.times = -1, .status = 401}, false},
                                         Outage{"Forbidden", {.times = -1, .status = 403}, false},
                                         Outage{"Dropped", {.times = -1, .drop_connection = true}},
                                         Outage{"Garbage", {.times = -1, .raw = "what?\r\n\r\n"}}),
                         [](const auto& test_case) { return test_case.param.name; });

TEST_F(UpstreamCacheTest, AnUpstreamThatDoesNotAnswerIsNotWaitedForLong) {
  serve_image("app", "1", "layer");
  serve_image("team", "1", "other layer");
  settings.patience = 300ms;
  get("1");
  get("1", "team");
  registry.add_fault({.method = "HEAD", .path = "/v2/app/*", .times = -1, .stall_before_head = true});
  EXPECT_THAT(get("1").stale.value_or(""), HasSubstr("no answer"));
  EXPECT_FALSE(get("1", "team").stale) << "only that repository is left alone";
}

TEST_F(UpstreamCacheTest, AfterAPauseUpstreamIsAskedAgain) {
  serve_image("app", "1", "layer");
  settings.down_pause = 0ms;
  get("1");
  registry.add_fault({.method = "HEAD", .times = 2, .status = 500});
  registry.add_fault({.method = "GET", .times = 2, .status = 500});
  EXPECT_TRUE(get("1").stale);
  EXPECT_FALSE(get("1").stale);
}

TEST_F(UpstreamCacheTest, WhatIsNotCachedIsStillAskedForWhileUpstreamIsDown) {
  serve_image("app", "1", "layer");
  const auto other = serve_image("app", "2", "other layer");
  get("1");
  registry.add_fault({.times = -1, .status = 503});
  EXPECT_TRUE(get("1").stale);
  EXPECT_EQ(code_of([&] { get("2"); }), ErrorCode::kInternal);
  registry.clear_faults();
  EXPECT_EQ(get("2").descriptor.digest, other.manifest.digest);
  EXPECT_FALSE(get("1").stale) << "it has answered";
}

TEST_F(UpstreamCacheTest, ATagThatIsGoneUpstreamIsGoneHere) {
  serve_image("app", "1", "layer");
  get("1");
  for (const char* method : {"HEAD", "GET"}) registry.add_fault({.method = method, .times = 1, .status = 404});
  EXPECT_EQ(code_of([&] { get("1"); }), ErrorCode::kNotFound);
  EXPECT_FALSE(repositories.find_tag(local_name(), "1"));
}

TEST_F(UpstreamCacheTest, AManifestThatIsNotWhatItsDigestSaysIsNotKept) {
  serve_image("app", "1", "old");
  serve_image("team", "1", "other layer");
  get("1");
  get("1", "team");
  const auto moved = serve_image("app", "1", "new");
  registry.add_fault({.method = "GET", .path = "*/manifests/*", .times = -1, .body = "{}"});
  EXPECT_THAT(get("1").stale.value_or(""), HasSubstr("verification failed"));
  registry.clear_faults();
  EXPECT_FALSE(get("1", "team").stale) << "only that repository is left alone";
  registry.add_fault({.method = "GET", .path = "*/manifests/*", .times = -1, .body = "{}"});
  EXPECT_FALSE(store.content().find_blob(moved.manifest.digest));
  EXPECT_EQ(code_of([&] { cache().get_by_digest(repository(), moved.manifest.digest, {}); }), ErrorCode::kDataLoss);
}

TEST_F(UpstreamCacheTest, AManifestIsFetchedByItsDigestOnce) {
  const auto image = serve_image("app", "1", "layer");
  EXPECT_EQ(cache().get_by_digest(repository(), image.manifest.digest, {}).descriptor, image.manifest);
  registry.clear_requests();
  EXPECT_EQ(cache().get_by_digest(repository(), image.manifest.digest, {}).descriptor, image.manifest);
  EXPECT_TRUE(registry.requests().empty());
  const auto unknown = oci::digest_of(base::as_bytes("unknown"));
  EXPECT_EQ(code_of([&] { cache().get_by_digest(repository(), unknown, {}); }), ErrorCode::kNotFound);
}

TEST_F(UpstreamCacheTest, ADigestOfAnotherRepositoryIsAskedForHere) {
  const auto image = serve_image("app", "1", "layer");
  get("1");
  EXPECT_EQ(code_of([&] { cache().get_by_digest(repository("team"), image.manifest.digest, {}); }),
            ErrorCode::kNotFound);
}

TEST_F(UpstreamCacheTest, KnowsItsOwnRequests) {
  serve_image("app", "1", "layer");
  get("1");
  const std::string via = registry.requests("HEAD").back().header("Via");
  EXPECT_TRUE(cache().is_own_request(via));
  EXPECT_TRUE(cache().is_own_request("1.1 proxy.example, " + via));
  EXPECT_FALSE(cache().is_own_request(""));
  EXPECT_FALSE(cache().is_own_request(make_via()));
}

TEST_F(UpstreamCacheTest, HandsOnWhichDaemonsARequestCameThrough) {
  serve_image("app", "1", "layer");
  const std::string first = make_via();
  const std::string second = make_via();
  cache().get_by_tag({repository(), "1.0 proxy, " + first + ",1.1 lighterd-no, " + second}, "1", {});
  const std::string via = registry.requests("HEAD").back().header("Via");
  EXPECT_THAT(via, testing::StartsWith(first + ", " + second + ", 1.1 lighterd-"));
  EXPECT_TRUE(cache().is_own_request(via));
  EXPECT_FALSE(cache().is_own_request(first + ", " + second));
  std::string circle = make_via();
  for (int i = 1; i < 16; ++i) circle += ", " + make_via();
  EXPECT_TRUE(cache().is_own_request(circle)) << "it has gone far enough";
}

TEST_F(UpstreamCacheTest, WhoAsksForAnotherDaemonWaitsForNobodyElse) {
  serve_image("app", "1", "layer");
  registry.add_fault({.method = "HEAD", .stall_before_head = true});
  (void)cache();
  auto waiting = std::async(std::launch::async, [&] { return get("1"); });
  ASSERT_TRUE(registry.wait_for_requests(1, "HEAD", "*"));
  EXPECT_FALSE(cache().get_by_tag({repository(), make_via()}, "1", {}).stale);
  EXPECT_EQ(waiting.wait_for(0s), std::future_status::timeout);
  registry.release_stalls();
  EXPECT_FALSE(waiting.get().stale);
}

TEST_F(UpstreamCacheTest, ServesTheHostsThatItIsFor) {
  settings.hosts = {"docker.io", "registry.example:5000"};
  EXPECT_TRUE(cache().serves("docker.io"));
  EXPECT_TRUE(cache().serves("Registry.example:5000"));
  EXPECT_FALSE(cache().serves("registry.example"));
  EXPECT_TRUE(UpstreamCache(services(), repositories, {.hosts = {"*"}}).serves("registry.example"));
}

class UpstreamReferrersTest : public UpstreamCacheTest {
 protected:
  static nlohmann::json index_of(const std::vector<oci::Descriptor>& entries) {
    nlohmann::json index = {
        {"schemaVersion", 2}, {"mediaType", oci::media_type::kOciIndex}, {"manifests", nlohmann::json::array()}};
    for (const auto& entry : entries) index["manifests"].push_back(oci::to_json(entry));
    return index;
  }
  oci::Descriptor add_signature(const std::string& text) {
    const nlohmann::json manifest = {{"schemaVersion", 2},
                                     {"mediaType", oci::media_type::kOciManifest},
                                     {"artifactType", "application/vnd.example.signature"},
                                     {"config", oci::to_json(tests::descriptor_of("application/json", text))},
                                     {"layers", nlohmann::json::array()},
                                     {"subject", oci::to_json(image.manifest)}};
    return registry.add_manifest("app", std::nullopt, std::string(oci::media_type::kOciManifest), manifest.dump());
  }
  void serve_list(const std::vector<oci::Descriptor>& entries) {
    registry.clear_faults();
    registry.add_fault({.method = "GET",
                        .path = "*/referrers/*",
                        .times = -1,
                        .status = 200,
                        .headers = {{"Content-Type", std::string(oci::media_type::kOciIndex)}},
                        .body = index_of(entries).dump()});
  }
  StaleReason fetch() { return cache().fetch_referrers(repository(), image.manifest.digest, {}); }
  std::vector<oci::Digest> listed() {
    std::vector<oci::Digest> digests;
    for (const auto& each : repositories.list_referrers(local_name(), image.manifest.digest, "", {}).manifests)
      digests.push_back(each.digest);
    return digests;
  }

  const TestImage image = make_image();
};

TEST_F(UpstreamReferrersTest, AreListedHereAndStayWhenUpstreamIsGone) {
  const auto first = add_signature("one");
  serve_list({first});
  EXPECT_FALSE(fetch());
  EXPECT_THAT(listed(), testing::ElementsAre(first.digest));
  const auto second = add_signature("two");
  serve_list({first, second});
  EXPECT_FALSE(fetch());
  EXPECT_THAT(listed(), testing::UnorderedElementsAre(first.digest, second.digest));
  EXPECT_EQ(gets(), 2U) << "each once";
  registry.clear_faults();
  registry.add_fault({.times = -1, .status = 503});
  EXPECT_TRUE(fetch());
  EXPECT_EQ(listed().size(), 2U);
}

TEST_F(UpstreamReferrersTest, AreFoundUnderTheirTagWhereUpstreamHasNoList) {
  const auto first = add_signature("one");
  registry.add_manifest("app", "sha256-" + image.manifest.digest.hex(), std::string(oci::media_type::kOciIndex),
                        index_of({first}).dump());
  registry.add_fault({.method = "GET",
                      .path = "*/referrers/*",
                      .status = 200,
                      .headers = {{"Content-Type", "text/html"}},
                      .body = "<html>not this"});
  EXPECT_FALSE(fetch());
  EXPECT_THAT(listed(), testing::ElementsAre(first.digest));
}

TEST_F(UpstreamReferrersTest, OneThatIsGoneHidesNoOther) {
  const auto there = add_signature("one");
  serve_list({tests::descriptor_of(oci::media_type::kOciManifest, "gone"), there});
  EXPECT_FALSE(fetch());
  EXPECT_THAT(listed(), testing::ElementsAre(there.digest));
}

TEST_F(UpstreamReferrersTest, WhatTheDockerFacePulledIsListedToo) {
  TestImage signature = make_image({.layers = {"signature"}});
  auto document = nlohmann::json::parse(signature.manifest_bytes);
  document["subject"] = oci::to_json(image.manifest);
  signature.manifest_bytes = document.dump();
  signature.manifest = tests::descriptor_of(oci::media_type::kOciManifest, signature.manifest_bytes);
  store.publish(signature, registry.host() + "/app:signature");
  serve_list({signature.manifest});
  EXPECT_FALSE(fetch());
  EXPECT_THAT(listed(), testing::ElementsAre(signature.manifest.digest));
  EXPECT_EQ(gets(), 0U);
}

TEST_F(UpstreamReferrersTest, AListThatTakesLongSaysNothingOfTags) {
  settings.patience = 300ms;
  serve("app", "1", image);
  get("1");
  registry.add_fault({.method = "GET", .path = "*/referrers/*", .times = -1, .stall_before_head = true});
  EXPECT_TRUE(fetch());
  EXPECT_FALSE(get("1").stale);
}

TEST_F(UpstreamReferrersTest, ThereMayBeNone) {
  EXPECT_FALSE(fetch());
  EXPECT_TRUE(listed().empty());
}

// A layer large enough to be streamed, named by the cached manifest of "app:1".
class UpstreamBlobTest : public UpstreamCacheTest {
 protected:
  static constexpr std::size_t kBytes = 400'000;
  static constexpr std::size_t kHeldBack = 65'536;

  void SetUp() override {
    options.retry.max_attempts = 2;
    serve("app", "1", image);
    get("1");
    registry.clear_requests();
  }
  const oci::Descriptor& layer() const { return image.layers[0].first; }
  std::string path() const { return "/v2/app/blobs/" + layer().digest.to_string(); }
  std::unique_ptr<BlobDownload> open(std::int64_t begin = 0, const std::stop_token& stop = {}) {
    return cache().open_blob(repository(), layer().digest, begin, stop);
  }
  static std::string read_all(BlobDownload& download) { return base::read_all(download, 10 * kBytes, "blob"); }
  // Exactly so many.
  static std::string read(BlobDownload& download, std::size_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t done = 0; done < bytes;) {
      const std::size_t count = download.read(std::as_writable_bytes(std::span(text).subspan(done)));
      if (count == 0) return text.substr(0, done);
      done += count;
    }
    return text;
  }
  // All of it, from the download or what is here already.
  std::string get_blob(std::int64_t begin = 0) {
    const auto download = open(begin);
    if (download) return read_all(*download);
    if (!is_visible()) throw std::logic_error("neither a download nor visible");
    return store.content().read_blob(layer().digest, kBytes).substr(static_cast<std::size_t>(begin));
  }
  bool is_visible() { return repositories.find_blob(local_name(), layer().digest).has_value(); }
  void push_elsewhere(const oci::Descriptor& blob, const std::string& bytes) {
    const auto lease = store.content().make_lease("test");
    store.content().put_blob(blob, bytes, lease);
    repositories.link_blob("private", RepositoryKind::kPushed, blob.digest);
  }
  void stall_at(std::size_t bytes) {
    registry.add_fault({.method = "GET", .path = "*/blobs/*", .stall_after_bytes = bytes});
  }
  void release() {
    registry.clear_faults();
    registry.release_stalls();
  }

  const std::string content = make_content(kBytes);
  const TestImage image = make_image({.layers = {content}});
};

TEST_F(UpstreamBlobTest, IsReadWhileItArrivesAndVisibleAtItsEnd) {
  stall_at(200'000);
  const auto download = open();
  ASSERT_TRUE(download);
  EXPECT_EQ(download->size_bytes(), static_cast<std::int64_t>(kBytes));
  std::string text = read(*download, 200'000);
  EXPECT_FALSE(is_visible());
  release();
  text += read_all(*download);
  EXPECT_EQ(text, content);
  EXPECT_TRUE(is_visible());
  EXPECT_EQ(registry.count("GET", path()), 1U);
  EXPECT_FALSE(open()) << "it is visible";
}

TEST_F(UpstreamBlobTest, TheLastBlockWaitsForTheWhole) {
  stall_at(kBytes - 1);
  const auto download = open();
  ASSERT_TRUE(download);
  EXPECT_EQ(read(*download, kBytes - kHeldBack), content.substr(0, kBytes - kHeldBack));
  auto next = std::async(std::launch::async, [&] { return read(*download, 1); });
  EXPECT_EQ(next.wait_for(50ms), std::future_status::timeout);
  release();
  EXPECT_EQ(next.get(), content.substr(kBytes - kHeldBack, 1));
}

TEST_F(UpstreamBlobTest, WhatHadBytesOfADamagedCopyIsCut) {
  std::string damaged = content;
  damaged[300'000] ^= 1;
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .body = damaged, .stall_after_bytes = 200'000});
  const auto download = open();
  ASSERT_TRUE(download);
  read(*download, 1000);
  release();
  EXPECT_EQ(code_of([&] { read_all(*download); }), ErrorCode::kDataLoss);
  EXPECT_EQ(get_blob(), content) << "the second copy was right";
}

TEST_F(UpstreamBlobTest, OneThatStaysDamagedIsNotVisible) {
  std::string damaged = content;
  damaged.back() ^= 1;
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .times = -1, .body = damaged});
  EXPECT_EQ(code_of([&] {
              const auto download = open();
              const std::string text = read(*download, kBytes);
              EXPECT_LE(text.size(), kBytes - kHeldBack);
            }),
            ErrorCode::kDataLoss);
  EXPECT_FALSE(is_visible());
}

TEST_F(UpstreamBlobTest, ManyReadersFromAnyPlaceMakeOneDownload) {
  stall_at(150'000);
  std::vector<std::future<bool>> readers;
  for (int i = 0; i < 64; ++i)
    readers.push_back(std::async(std::launch::async, [&, begin = static_cast<std::size_t>(i) * 6000] {
      return get_blob(static_cast<std::int64_t>(begin)) == content.substr(begin);
    }));
  ASSERT_TRUE(registry.wait_for_requests(1, "GET", path()));
  release();
  for (auto& reader : readers) EXPECT_TRUE(reader.get());
  EXPECT_EQ(registry.count("GET", path()), 1U);
}

TEST_F(UpstreamBlobTest, TheLastToLeaveEndsTheDownloadAndTheNextResumesIt) {
  stall_at(200'000);
  auto first = open();
  auto second = open();
  ASSERT_TRUE(first && second);
  first.reset();
  EXPECT_EQ(read(*second, 200'000), content.substr(0, 200'000));
  second.reset();
  registry.clear_faults();
  EXPECT_EQ(get_blob(), content);
  const auto requests = registry.requests("GET", path());
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[1].header("Range"), "bytes=200000-399999");
}

TEST_F(UpstreamBlobTest, APullOfTheDockerFaceAndItsReadersShareADownload) {
  stall_at(100'000);
  auto pulling = std::async(std::launch::async, [&] {
    tests::RecordingProgress progress;
    pull("app:1", progress);
  });
  ASSERT_TRUE(registry.wait_for_requests(1, "GET", path()));
  const auto download = open();
  ASSERT_TRUE(download);
  EXPECT_EQ(read(*download, 1000), content.substr(0, 1000));
  release();
  EXPECT_EQ(read_all(*download), content.substr(1000));
  pulling.get();
  EXPECT_EQ(registry.count("GET", path()), 1U);
}

TEST_F(UpstreamBlobTest, AndTheOtherWayRound) {
  stall_at(100'000);
  auto download = open();
  ASSERT_TRUE(download);
  tests::RecordingProgress progress;
  auto pulling = std::async(std::launch::async, [&] { pull("app:1", progress); });
  const std::string joined = layer().digest.short_hex() + ": Pulling fs layer";
  while (!progress.has(joined) && pulling.wait_for(1ms) == std::future_status::timeout) continue;
  release();
  EXPECT_EQ(read_all(*download), content);
  pulling.get();
  EXPECT_EQ(registry.count("GET", path()), 1U);
  EXPECT_TRUE(store.content().find_blob(layer().digest)->layer);
}

TEST_F(UpstreamBlobTest, WhatUpstreamHasNotGotIsNotFound) {
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .status = 404});
  EXPECT_EQ(code_of([&] { open(); }), ErrorCode::kNotFound);
  const auto unknown = oci::digest_of(base::as_bytes("unknown"));
  EXPECT_EQ(code_of([&] { cache().open_blob(repository(), unknown, 0, {}); }), ErrorCode::kNotFound);
  EXPECT_FALSE(cache().find_blob_size(repository(), unknown, {}));
}

TEST_F(UpstreamBlobTest, AFailureEndsItsReaders) {
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .cut_after_bytes = 200'000});
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .times = -1, .status = 403});
  std::string text;
  EXPECT_EQ(code_of([&] {
              const auto download = open();
              for (;;) text += read(*download, 1000);
            }),
            ErrorCode::kPermissionDenied);
  EXPECT_EQ(text, content.substr(0, text.size()));
  EXPECT_FALSE(is_visible());
}

TEST_F(UpstreamBlobTest, AReaderIsStopped) {
  stall_at(100'000);
  std::stop_source stop;
  const auto download = open(0, stop.get_token());
  ASSERT_TRUE(download);
  read(*download, 100'000);
  auto waiting = std::async(std::launch::async, [&] { return code_of([&] { read(*download, 1); }); });
  stop.request_stop();
  EXPECT_EQ(waiting.get(), ErrorCode::kCancelled);
}

TEST_F(UpstreamBlobTest, WhatTheStoreHasAndTheManifestNamesIsLinked) {
  const auto lease = store.content().make_lease("test");
  store.put(layer().media_type, content, lease);
  repositories.link_blob("registry.example/copy", RepositoryKind::kCached, layer().digest);
  EXPECT_FALSE(is_visible());
  EXPECT_FALSE(open());
  EXPECT_TRUE(is_visible());
  EXPECT_EQ(cache().find_blob_size(repository(), layer().digest, {}), static_cast<std::int64_t>(kBytes));
  EXPECT_TRUE(registry.requests().empty());
}

// Else whoever has an upstream could read here what he knows the digest of.
TEST_F(UpstreamBlobTest, WhatWasOnlyPushedHereUpstreamHasToHave) {
  push_elsewhere(layer(), content);
  const auto head = [&](int status, const std::string& length) {
    registry.add_fault({.method = "HEAD", .path = path(), .status = status, .headers = {{"Content-Length", length}}});
  };
  head(404, "0");
  EXPECT_EQ(code_of([&] { open(); }), ErrorCode::kNotFound);
  head(200, "399999");
  EXPECT_EQ(code_of([&] { open(); }), ErrorCode::kDataLoss);
  EXPECT_FALSE(is_visible());
  EXPECT_FALSE(open());
  EXPECT_TRUE(is_visible());
  EXPECT_EQ(registry.count("GET", path()), 0U);
}

TEST_F(UpstreamBlobTest, SoDoesASmallOne) {
  push_elsewhere(image.config, image.config_bytes);
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .status = 404});
  const auto ask = [&] { return cache().open_blob(repository(), image.config.digest, 0, {}); };
  EXPECT_EQ(code_of(ask), ErrorCode::kNotFound);
  EXPECT_FALSE(repositories.find_blob(local_name(), image.config.digest));
  EXPECT_FALSE(ask());
  EXPECT_TRUE(repositories.find_blob(local_name(), image.config.digest));
}

TEST_F(UpstreamBlobTest, ADownloadOfAnotherRepositoryIsJoinedWithUpstreamsLeaveOnly) {
  serve("team", "1", image);
  get("1", "team");
  stall_at(100'000);
  const auto download = open();
  ASSERT_TRUE(download);
  registry.add_fault({.method = "HEAD", .path = "/v2/team/blobs/*", .status = 403});
  const auto ask = [&] { return cache().open_blob(repository("team"), layer().digest, 0, {}); };
  EXPECT_EQ(code_of(ask), ErrorCode::kPermissionDenied);
  auto allowed = ask();
  ASSERT_TRUE(allowed);
  release();
  EXPECT_EQ(read_all(*allowed), content);
  EXPECT_EQ(registry.count("GET", "*/blobs/*"), 1U);
}

TEST_F(UpstreamBlobTest, NothingIsLostBetweenItsArrivalAndItsLink) {
  // That no manifest names, which would hold it too; of such a size that it is not fetched in one go.
  const std::string other = make_content(5 * kBytes);
  const auto digest = oci::digest_of(base::as_bytes(other));
  registry.add_blob("app", other);
  stall_at(200'000);
  auto download = cache().open_blob(repository(), digest, 0, {});
  ASSERT_TRUE(download);
  release();
  const auto is_fetched = [&] {
    auto read = store.database().read();
    return !imagestore::Query(*read, "SELECT 1 FROM lease WHERE operation LIKE 'fetch %'").step();
  };
  while (!is_fetched()) std::this_thread::yield();
  store.content().remove_unneeded();
  EXPECT_EQ(read_all(*download), other);
  EXPECT_TRUE(repositories.find_blob(local_name(), digest));
  download.reset();
  store.content().remove_unneeded();
  EXPECT_TRUE(repositories.find_blob(local_name(), digest));
}

TEST_F(UpstreamBlobTest, WhatNoManifestNamesIsAskedForFirst) {
  const auto lease = store.content().make_lease("test");
  const auto stored = store.put("text/plain", "stored", lease);
  const auto ask = [&] { return cache().open_blob(repository(), stored.digest, 0, {}); };
  EXPECT_EQ(code_of(ask), ErrorCode::kNotFound);
  registry.add_blob("app", "stored");
  EXPECT_EQ(cache().find_blob_size(repository(), stored.digest, {}), 6);
  EXPECT_FALSE(ask());
  EXPECT_TRUE(repositories.find_blob(local_name(), stored.digest));
  EXPECT_EQ(registry.count("GET", "*/blobs/*"), 0U);
}

TEST_F(UpstreamBlobTest, ASmallOneIsHereAtOnce) {
  EXPECT_FALSE(cache().open_blob(repository(), image.config.digest, 0, {}));
  EXPECT_TRUE(repositories.find_blob(local_name(), image.config.digest));
  EXPECT_FALSE(cache().open_blob(repository(), image.config.digest, 0, {}));
  EXPECT_EQ(registry.count("GET", "*/blobs/*"), 1U);
}

TEST_F(UpstreamBlobTest, APlaceBehindTheEndIsRefused) {
  EXPECT_EQ(code_of([&] { open(kBytes); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { open(-1); }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace lighterd::distribution
