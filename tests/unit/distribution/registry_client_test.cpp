// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "oci/manifest.hpp"
#include "tests/unit/distribution/registry_fixture.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;
using tests::Fault;
using namespace std::chrono_literals;

class RegistryClientTest : public RegistryTest {};

TEST_F(RegistryClientTest, ResolvesByHeadAlone) {
  const auto manifest = registry.add_manifest(repository, "1", kManifestType, R"({"a":1})");
  EXPECT_EQ(client(registry).resolve("1", {}), manifest);
  const auto seen = registry.requests();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].method, "HEAD");
  EXPECT_EQ(seen[0].path, "/v2/team/app/manifests/1");
  EXPECT_EQ(seen[0].query, "");
  EXPECT_EQ(seen[0].header("accept"),
            "application/vnd.docker.distribution.manifest.v2+json, "
            "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, "
            "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v1+prettyjws, "
            "application/vnd.docker.distribution.manifest.v1+json, */*");
  EXPECT_EQ(seen[0].header("user-agent"), "lighterd/test");
  EXPECT_EQ(seen[0].header("x-meta-client"), "meta");
}

struct HeadCase {
  const char* name;
  Fault head;
};
class ResolveWithPoorHead : public RegistryTest, public testing::WithParamInterface<HeadCase> {};
TEST_P(ResolveWithPoorHead, GetsAndHashes) {
  const auto manifest = registry.add_manifest(repository, "1", kManifestType, R"({"a":1})");
  Fault fault = GetParam().head;
  fault.method = "HEAD";
  registry.add_fault(fault);
  RegistryClient puller = client(registry);
  EXPECT_EQ(puller.resolve("1", {}), manifest);
  EXPECT_EQ(registry.count("GET", "/v2/team/app/manifests/1"), 1U);
  const FetchedManifest fetched = puller.get_manifest(manifest.digest, {});
  EXPECT_EQ(fetched.bytes, R"({"a":1})");
  EXPECT_EQ(fetched.descriptor, manifest);
  EXPECT_EQ(registry.count("GET", "*"), 1U) << "it is here already";
  puller.get_manifest(manifest.digest, {});
  EXPECT_EQ(registry.count("GET", "*"), 2U) << "once";
}
INSTANTIATE_TEST_SUITE_P(
    Table, ResolveWithPoorHead,
    testing::Values(HeadCase{"no_digest", {.headers = {{"Docker-Content-Digest", ""}}}},
                    HeadCase{"bad_digest", {.headers = {{"Docker-Content-Digest", "sha256:../../etc/passwd"}}}},
                    HeadCase{"no_length", {.headers = {{"Content-Length", ""}}}},
                    HeadCase{"no_type", {.headers = {{"Content-Type", ""}}}},
                    HeadCase{"huge", {.headers = {{"Content-Length", "9223372036854775807"}}}},
                    HeadCase{"not_allowed", {.status = 405}}, HeadCase{"server_error", {.status = 500}}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_F(RegistryClientTest, WhatWasFetchedByTagIsForItsDigestAlone) {
  registry.add_fault({.method = "HEAD", .times = -1, .status = 405});
  const auto first = registry.add_manifest(repository, "1", kManifestType, R"({"a":1})");
  const auto second = registry.add_manifest(repository, "2", kManifestType, R"({"a":2})");
  RegistryClient puller = client(registry);
  puller.resolve("1", {});
  EXPECT_EQ(puller.get_manifest(second.digest, {}).bytes, R"({"a":2})");
  puller.resolve("2", {});
  registry.clear_requests();
  EXPECT_EQ(puller.get_manifest(first.digest, {}).bytes, R"({"a":1})");
  EXPECT_EQ(registry.count("GET", "*"), 1U) << "one is kept";
  EXPECT_EQ(puller.get_manifest(second.digest, {}).bytes, R"({"a":2})");
  EXPECT_EQ(registry.count("GET", "*"), 1U);
}

TEST_F(RegistryClientTest, StripsContentTypeParameters) {
  registry.add_manifest(repository, "1", "Application/Vnd.OCI.Image.Manifest.v1+JSON; charset=utf-8", "{}");
  EXPECT_EQ(client(registry).resolve("1", {}).media_type, kManifestType);
  EXPECT_EQ(client(registry).get_manifest_by_tag("1", {}).descriptor.media_type, kManifestType);
}

TEST_F(RegistryClientTest, ReportsTheBodyOfAFailedHeadFromAGet) {
  registry.add_fault({.method = "GET",
                      .status = 429,
                      .headers = {{"Retry-After", "3"}},
                      .body = R"({"errors":[{"code":"TOOMANYREQUESTS","message":"too fast"}]})"});
  registry.add_fault({.method = "HEAD", .status = 429});
  const auto error = error_of<RegistryError>([&] { client(registry).resolve("1", {}); });
  EXPECT_EQ(error.text(), "toomanyrequests: too fast");
  EXPECT_EQ(error.status(), 429);
  EXPECT_EQ(error.retry_after(), 3s);
}

TEST_F(RegistryClientTest, UnknownManifestIsNotFound) {
  registry.add_manifest(repository, "1", kManifestType, "{}");
  const auto error = error_of<RegistryError>([&] { client(registry).resolve("2", {}); });
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_EQ(error.registry_code(), "MANIFEST_UNKNOWN");
  EXPECT_EQ(error.text(), "manifest unknown");
}

TEST_F(RegistryClientTest, VerifiesManifestsByDigest) {
  const auto manifest = registry.add_manifest(repository, "1", kManifestType, R"({"a":1})");
  auto puller = client(registry);
  EXPECT_EQ(puller.get_manifest(manifest.digest, {}).bytes, R"({"a":1})");
  EXPECT_EQ(puller.get_manifest(manifest.digest, {}).descriptor, manifest);
  registry.add_fault({.method = "GET", .body = R"({"a":2})"});
  const auto error = error_of([&] { puller.get_manifest(manifest.digest, {}); });
  EXPECT_EQ(error.code(), ErrorCode::kDataLoss);
  EXPECT_EQ(error.text(), "manifest verification failed for digest " + manifest.digest.to_string());
  // Right bytes, wrong header.
  registry.add_fault({.method = "GET", .headers = {{"Docker-Content-Digest", "sha256:" + std::string(64, 'a')}}});
  EXPECT_EQ(error_of([&] { puller.get_manifest(manifest.digest, {}); }).code(), ErrorCode::kDataLoss);
  // A hint that says nothing.
  registry.add_fault({.method = "GET", .headers = {{"Docker-Content-Digest", "nonsense"}}});
  EXPECT_NO_THROW(puller.get_manifest(manifest.digest, {}));
  const auto other = oci::digest_of(base::as_bytes(R"({"a":1})"), oci::DigestAlgorithm::kSha512);
  registry.add_fault({.method = "GET", .headers = {{"Docker-Content-Digest", other.to_string()}}});
  EXPECT_NO_THROW(puller.get_manifest(manifest.digest, {}));
}

TEST_F(RegistryClientTest, ManifestByTagMustHashToItsHeader) {
  registry.add_manifest(repository, "1", kManifestType, "{}");
  registry.add_fault({.method = "GET", .headers = {{"Docker-Content-Digest", "sha256:" + std::string(64, 'a')}}});
  EXPECT_EQ(error_of([&] { client(registry).get_manifest_by_tag("1", {}); }).code(), ErrorCode::kDataLoss);
}

TEST_F(RegistryClientTest, LooksForAManifestAmongTheBlobs) {
  const auto blob = registry.add_blob(repository, R"({"child":1})");
  EXPECT_EQ(client(registry).get_manifest(blob.digest, {}).bytes, R"({"child":1})");
  const auto missing = oci::digest_of(base::as_bytes("missing"));
  const auto error = error_of<RegistryError>([&] { client(registry).get_manifest(missing, {}); });
  EXPECT_EQ(error.registry_code(), "MANIFEST_UNKNOWN");
  EXPECT_EQ(registry.count("GET", "/v2/team/app/blobs/*"), 2U);
}

TEST_F(RegistryClientTest, ManifestsEndAtTheCap) {
  const auto manifest =
      registry.add_manifest(repository, "1", kManifestType, std::string(oci::kMaxManifestBytes + 1, ' '));
  EXPECT_EQ(error_of([&] { client(registry).get_manifest(manifest.digest, {}); }).code(), ErrorCode::kDataLoss);
  registry.add_manifest(repository, "2", kManifestType, std::string(oci::kMaxManifestBytes, ' '));
  EXPECT_EQ(client(registry).get_manifest_by_tag("2", {}).bytes.size(), oci::kMaxManifestBytes);
  registry.add_fault({.method = "GET", .body = std::string(65536, ' '), .endless_body = true});
  EXPECT_EQ(error_of([&] { client(registry).get_manifest(manifest.digest, {}); }).code(), ErrorCode::kDataLoss);
}

TEST_F(RegistryClientTest, EndlessErrorBodyIsCut) {
  registry.add_fault({.method = "GET",
                      .status = 403,
                      .headers = {{"Content-Type", "text/plain"}},
                      .body = std::string(10'000, 'x'),
                      .endless_body = true});
  const auto error = error_of<RegistryError>([&] { client(registry).get_manifest_by_tag("1", {}); });
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_LT(error.text().size(), 1200U);
}

TEST_F(RegistryClientTest, StreamsBlobs) {
  const std::string bytes(3'000'000, 'b');
  const auto blob = registry.add_blob(repository, bytes);
  StringSink sink(blob);
  client(registry).get_blob(blob, sink, {}, {});
  EXPECT_EQ(sink.text, bytes);
  EXPECT_EQ(client(registry).read_blob(blob, bytes.size(), {}), bytes);
  EXPECT_EQ(error_of([&] { client(registry).read_blob(blob, bytes.size() - 1, {}); }).code(), ErrorCode::kDataLoss);
}

struct BlobCase {
  const char* name;
  Fault fault;
  ErrorCode code;
  std::string text;
  std::size_t most_bytes;
};
class BadBlob : public RegistryTest, public testing::WithParamInterface<BlobCase> {};
TEST_P(BadBlob, IsAnErrorAndNotMoreThanItsSize) {
  const auto blob = registry.add_blob(repository, std::string(1000, 'b'));
  registry.add_fault(GetParam().fault);
  StringSink sink(blob);
  const auto error = error_of([&] { client(registry).get_blob(blob, sink, {}, {}); });
  EXPECT_EQ(error.code(), GetParam().code) << error.text();
  EXPECT_NE(error.text().find(GetParam().text), std::string::npos) << error.text();
  EXPECT_LE(sink.text.size(), GetParam().most_bytes);
}
INSTANTIATE_TEST_SUITE_P(
    Table, BadBlob,
    testing::Values(
        BlobCase{"short",
                 {.body = std::string(400, 'b')},
                 ErrorCode::kUnavailable,
                 "short read: expected 1000 bytes but got 400: unexpected EOF",
                 400},
        BlobCase{"cut",
                 {.cut_after_bytes = 400},
                 ErrorCode::kUnavailable,
                 "short read: expected 1000 bytes but got 400: unexpected EOF",
                 400},
        BlobCase{"long", {.body = std::string(1001, 'b')}, ErrorCode::kDataLoss, "1001 bytes", 0},
        BlobCase{
            "endless", {.body = std::string(999, 'b'), .endless_body = true}, ErrorCode::kDataLoss, "larger", 1000},
        BlobCase{"dropped", {.drop_connection = true}, ErrorCode::kUnavailable, "EOF", 0},
        BlobCase{
            "missing",
            {.status = 404, .body = R"({"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]})"},
            ErrorCode::kNotFound,
            "blob unknown",
            0},
        BlobCase{"part_of_what", {.status = 206, .body = std::string(1000, 'b')}, ErrorCode::kUnavailable, "range", 0},
        BlobCase{"accepted", {.status = 202}, ErrorCode::kInternal, "received unexpected HTTP status: 202", 0},
        BlobCase{
            "encoded", {.headers = {{"Content-Encoding", "gzip"}}}, ErrorCode::kDataLoss, "content encoding gzip", 0}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_F(RegistryClientTest, SmallBlobsAreVerified) {
  const auto blob = registry.add_blob(repository, "config");
  registry.add_fault({.body = "gifnoc"});
  EXPECT_EQ(error_of([&] { client(registry).read_blob(blob, 100, {}); }).code(), ErrorCode::kDataLoss);
}

// A sink that has some of the blob already.
StringSink sink_with(const oci::Descriptor& blob, const std::string& start) {
  StringSink sink(blob);
  sink.text = start;
  return sink;
}

TEST_F(RegistryClientTest, AsksForWhatIsMissing) {
  const auto blob = registry.add_blob(repository, "0123456789");
  auto puller = client(registry);
  auto sink = sink_with(blob, "0123");
  puller.get_blob(blob, sink, {}, {});
  EXPECT_EQ(sink.text, "0123456789");
  EXPECT_EQ(sink.answers, std::vector{BlobSink::Answer::kPart});
  EXPECT_EQ(registry.requests("GET", "*/blobs/*").back().header("Range"), "bytes=4-9");
  EXPECT_EQ(registry.requests("GET", "*/blobs/*").back().header("If-Range"), "");
}

TEST_F(RegistryClientTest, NamesTheEntityThatItHasAPartOf) {
  const auto blob = registry.add_blob(repository, "0123456789");
  // Weak ones name no bytes.
  for (const auto& [etag, sent] : {std::pair{R"("v1")", R"("v1")"}, {R"(W/"v2")", ""}, {"v3", ""}}) {
    auto puller = client(registry);
    registry.clear_faults();
    registry.add_fault({.method = "GET", .path = "*/blobs/*", .times = -1, .headers = {{"ETag", etag}}});
    StringSink first(blob);
    puller.get_blob(blob, first, {}, {});
    auto second = sink_with(blob, "01");
    puller.get_blob(blob, second, {}, {});
    EXPECT_EQ(registry.requests("GET", "*/blobs/*").back().header("If-Range"), sent);
  }
}

struct RangeCase {
  const char* name;
  Fault fault;
};
class BadRange : public RegistryTest, public testing::WithParamInterface<RangeCase> {};
TEST_P(BadRange, IsRefusedAndTheWholeIsAskedForThen) {
  const auto blob = registry.add_blob(repository, "0123456789");
  registry.add_fault(GetParam().fault);
  auto puller = client(registry);
  auto sink = sink_with(blob, "0123");
  EXPECT_EQ(error_of([&] { puller.get_blob(blob, sink, {}, {}); }).code(), ErrorCode::kUnavailable);
  EXPECT_EQ(sink.text, "0123");
  puller.get_blob(blob, sink, {}, {});
  EXPECT_EQ(sink.text, "0123456789");
  EXPECT_EQ(registry.requests("GET", "*/blobs/*").back().header("Range"), "");
}
INSTANTIATE_TEST_SUITE_P(Table, BadRange,
                         testing::Values(RangeCase{"other_start", {.headers = {{"Content-Range", "bytes 3-9/10"}}}},
                                         RangeCase{"other_end", {.headers = {{"Content-Range", "bytes 4-10/*"}}}},
                                         RangeCase{"backwards", {.headers = {{"Content-Range", "bytes 9-4/10"}}}},
                                         RangeCase{"no_unit", {.headers = {{"Content-Range", "4-9/10"}}}},
                                         RangeCase{"huge",
                                                   {.headers = {{"Content-Range", "bytes 4-18446744073709551615/*"}}}},
                                         RangeCase{"none", {.headers = {{"Content-Range", ""}}}},
                                         RangeCase{"unsatisfiable", {.status = 416}}),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_F(RegistryClientTest, APartOfABlobOfAnotherSizeIsRefused) {
  const auto blob = registry.add_blob(repository, "0123456789");
  registry.add_fault({.headers = {{"Content-Range", "bytes 4-9/11"}}});
  auto sink = sink_with(blob, "0123");
  EXPECT_EQ(error_of([&] { client(registry).get_blob(blob, sink, {}, {}); }).code(), ErrorCode::kDataLoss);
}

TEST_F(RegistryClientTest, LargeBlobsAreAskedForAsARange) {
  const oci::Descriptor blob{"", oci::digest_of(base::as_bytes("x")), 32 * 1024 * 1024, {}, {}, {}, {}};
  StringSink sink(blob);
  EXPECT_EQ(error_of<RegistryError>([&] { client(registry).get_blob(blob, sink, {}, {}); }).status(), 404);
  EXPECT_EQ(registry.requests("GET", "*/blobs/*").back().header("Range"), "bytes=0-33554431");
}

TEST_F(RegistryClientTest, WhatAStorageHostRefusesMayBeStale) {
  tests::FakeRegistry storage;
  const auto blob = registry.add_blob(repository, "layer");
  registry.add_fault({.method = "GET", .status = 307, .headers = {{"Location", storage.url() + "/x?sig=1"}}});
  storage.add_fault({.status = 403});
  StringSink sink(blob);
  EXPECT_TRUE(error_of<RegistryError>([&] { client(registry).get_blob(blob, sink, {}, {}); }).is_stale_location());
  registry.add_fault({.method = "GET", .status = 403});
  EXPECT_FALSE(error_of<RegistryError>([&] { client(registry).get_blob(blob, sink, {}, {}); }).is_stale_location());
}

TEST_F(RegistryClientTest, RequiresABlobToBeThere) {
  const auto blob = registry.add_blob(repository, "layer");
  EXPECT_NO_THROW(client(registry).require_blob(blob.digest, {}));
  EXPECT_EQ(error_of([&] { client(registry, Access::kPull, {}, "other").require_blob(blob.digest, {}); }).code(),
            ErrorCode::kNotFound);
}

TEST_F(RegistryClientTest, TellsTheSizeOfABlobThatIsThere) {
  const auto blob = registry.add_blob(repository, "layer");
  EXPECT_EQ(client(registry).find_blob_size(blob.digest, {}), 5);
  EXPECT_EQ(client(registry, Access::kPull, {}, "other").find_blob_size(blob.digest, {}), std::nullopt);
  registry.add_fault({.method = "HEAD", .status = 403});
  EXPECT_EQ(error_of<RegistryError>([&] { (void)client(registry).find_blob_size(blob.digest, {}); }).status(), 403);
  EXPECT_EQ(registry.count("GET", "*"), 0U);
}

struct SizeCase {
  const char* name;
  Fault head;
  bool has_ranges = true;
};
class SizeWithPoorHead : public RegistryTest, public testing::WithParamInterface<SizeCase> {};
TEST_P(SizeWithPoorHead, IsThatOfAGet) {
  const auto blob = registry.add_blob(repository, std::string(1000, 'x'));
  Fault head = GetParam().head;
  head.method = "HEAD";
  registry.add_fault(head);
  // Whoever reads on waits for it.
  if (!GetParam().has_ranges)
    registry.add_fault({.method = "GET", .status = 200, .body = std::string(500, 'x'), .stall_after_bytes = 5});
  EXPECT_EQ(client(registry).find_blob_size(blob.digest, {}), GetParam().has_ranges ? 1000 : 500);
  const auto gets = registry.requests("GET");
  ASSERT_EQ(gets.size(), 1U);
  EXPECT_EQ(gets[0].header("Range"), "bytes=0-0");
}
INSTANTIATE_TEST_SUITE_P(Table, SizeWithPoorHead,
                         testing::Values(SizeCase{"not_allowed", {.status = 405}},
                                         SizeCase{"not_implemented", {.status = 501}},
                                         SizeCase{"no_length", {.headers = {{"Content-Length", ""}}}},
                                         SizeCase{"no_ranges", {.status = 405}, false}),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_F(RegistryClientTest, ASizeThatNobodyTellsIsNone) {
  const auto blob = registry.add_blob(repository, "layer");
  const auto ask = [&] { (void)client(registry).find_blob_size(blob.digest, {}); };
  registry.add_fault({.method = "HEAD", .times = -1, .status = 405});
  registry.add_fault({.method = "GET", .headers = {{"Content-Range", "bytes 0-0/*"}}});
  EXPECT_EQ(error_of(ask).code(), ErrorCode::kDataLoss);
  registry.add_fault({.method = "GET", .status = 200, .body = "x", .endless_body = true});
  EXPECT_EQ(error_of(ask).code(), ErrorCode::kDataLoss);
  registry.add_fault({.method = "GET", .status = 403});
  EXPECT_EQ(error_of<RegistryError>(ask).status(), 403);
  registry.add_fault({.method = "GET", .status = 404});
  EXPECT_EQ(client(registry).find_blob_size(blob.digest, {}), std::nullopt);
}

TEST_F(RegistryClientTest, OnlyTheHeadOfV2Counts) {
  registry.add_fault({.path = "/v2/", .status = 200, .body = "<html>", .endless_body = true});
  registry.add_fault({.path = "/v2/",
                      .status = 200,
                      .headers = {{"Docker-Distribution-API-Version", "registry/2.0"}},
                      .body = std::string(100, 'x'),
                      .stall_after_bytes = 10});
  options.stall_timeout = std::chrono::seconds(60);
  EXPECT_EQ(client(registry).probe({}), V2Presence::kLikely);
  EXPECT_EQ(client(registry).probe({}), V2Presence::kConfirmed);
}

TEST_F(RegistryClientTest, NamesTheDaemonToTheRegistryAndToNobodyElse) {
  tests::FakeRegistry storage;
  const auto blob = registry.add_blob(repository, "layer");
  options.via = "1.1 lighterd-x";
  for (int i = 0; i < 2; ++i)
    registry.add_fault({.method = "HEAD", .status = 307, .headers = {{"Location", storage.url() + "/x"}}});
  EXPECT_FALSE(client(registry).find_blob_size(blob.digest, {}));
  options.via.clear();
  EXPECT_FALSE(client(registry).find_blob_size(blob.digest, {}));
  const auto requests = registry.requests("HEAD");
  EXPECT_EQ(requests.at(0).header("Via"), "1.1 lighterd-x");
  EXPECT_EQ(requests.at(1).header("Via"), "");
  EXPECT_EQ(storage.requests("HEAD").at(0).header("Via"), "");
}

TEST_F(RegistryClientTest, WarningsAreTakenOnce) {
  registry.add_manifest(repository, "1", kManifestType, "{}");
  registry.add_fault({.times = 2, .headers = {{"Warning", R"(299 - "end of \"life\"")"}}});
  registry.add_fault({.headers = {{"Warning", R"(299 host "not ours")"}}});
  registry.add_fault({.headers = {{"Warning", "199 - \"other\""}}});
  auto puller = client(registry);
  for (int i = 0; i < 4; ++i) puller.resolve("1", {});
  EXPECT_EQ(puller.take_warnings(), std::vector<std::string>{R"(end of "life")"});
  EXPECT_TRUE(puller.take_warnings().empty());
}

TEST_F(RegistryClientTest, StopEndsAStalledBlob) {
  const auto blob = registry.add_blob(repository, std::string(1000, 'b'));
  registry.add_fault({.stall_after_bytes = 10});
  std::stop_source source;
  auto result = std::async(std::launch::async, [&] {
    StringSink sink(blob);
    const auto code = error_of([&] { client(registry).get_blob(blob, sink, {}, source.get_token()); }).code();
    return std::pair(code, std::chrono::steady_clock::now());
  });
  ASSERT_TRUE(registry.wait_for_requests(1, "GET", "*blobs*"));
  const auto stopped = std::chrono::steady_clock::now();
  source.request_stop();
  const auto [code, ended] = result.get();
  EXPECT_EQ(code, ErrorCode::kCancelled);
  EXPECT_LT(ended - stopped, 100ms);
}

TEST_F(RegistryClientTest, RedirectsKeepHeadersButNotAuthorization) {
  tests::FakeRegistry storage;
  const std::string bytes = "layer";
  const auto blob = registry.add_blob(repository, bytes);
  registry.require_basic("u", "p");
  registry.add_fault({.method = "GET",
                      .path = "*/blobs/*",
                      .skip = 1,
                      .status = 307,
                      .headers = {{"Location", storage.url() + "/v2/x?sig=1"}}});
  storage.add_fault({.status = 200, .body = bytes});
  StringSink sink(blob);
  client(registry, Access::kPull, password_auth("u", "p")).get_blob(blob, sink, {}, {});
  EXPECT_EQ(sink.text, bytes);
  ASSERT_EQ(storage.requests().size(), 1U);
  EXPECT_EQ(storage.requests()[0].header("authorization"), "");
  EXPECT_EQ(storage.requests()[0].header("x-meta-client"), "");
  EXPECT_EQ(storage.requests()[0].query, "sig=1");
  EXPECT_NE(registry.requests("GET")[1].header("authorization"), "");
}

TEST_F(RegistryClientTest, RedirectToTheSameOriginKeepsAuthorization) {
  const auto blob = registry.add_blob(repository, "layer");
  registry.require_basic("u", "p");
  registry.add_fault({.method = "GET",
                      .path = "*/blobs/*",
                      .skip = 1,
                      .status = 302,
                      .headers = {{"Location", "/v2/team/app/blobs/" + blob.digest.to_string()}}});
  StringSink sink(blob);
  client(registry, Access::kPull, password_auth("u", "p")).get_blob(blob, sink, {}, {});
  EXPECT_EQ(sink.text, "layer");
}

TEST_F(RegistryClientTest, AChallengeOfARedirectTargetGetsNoToken) {
  tests::FakeRegistry storage;
  storage.require_basic("u", "p");
  const auto blob = registry.add_blob(repository, "layer");
  registry.require_basic("u", "p");
  registry.add_fault({.method = "GET", .skip = 1, .status = 307, .headers = {{"Location", storage.url() + "/v2/"}}});
  StringSink sink(blob);
  const auto error = error_of<RegistryError>(
      [&] { client(registry, Access::kPull, password_auth("u", "p")).get_blob(blob, sink, {}, {}); });
  EXPECT_EQ(error.status(), 401);
  for (const auto& request : storage.requests()) EXPECT_EQ(request.header("authorization"), "");
  EXPECT_EQ(storage.requests().size(), 1U);
}

TEST_F(RegistryClientTest, RedirectsEnd) {
  registry.add_fault({.times = -1, .status = 302, .headers = {{"Location", "/v2/again"}}});
  const auto error = error_of([&] { client(registry).get_manifest_by_tag("1", {}); });
  EXPECT_NE(error.text().find("stopped after 5 redirects"), std::string::npos) << error.text();
  EXPECT_EQ(registry.requests().size(), 6U);
}

class BadRedirect : public RegistryTest, public testing::WithParamInterface<std::string> {};
TEST_P(BadRedirect, IsRefused) {
  registry.add_fault({.status = 302, .headers = {{"Location", GetParam()}}});
  EXPECT_THROW(client(registry).get_manifest_by_tag("1", {}), Error);
  EXPECT_EQ(registry.requests().size(), 1U);
}
INSTANTIATE_TEST_SUITE_P(Table, BadRedirect,
                         testing::Values("file:///etc/passwd", "http://169.254.169.254/latest", "http://10.0.0.1/",
                                         "http://u:p@127.0.0.1/", "gopher://x/", "http://0.0.0.0:1/",
                                         "/" + std::string(9000, 'x')));

TEST_F(RegistryClientTest, ListsTagsOverPages) {
  for (const char* tag : {"a", "b", "c", "d", "e"}) registry.add_manifest(repository, tag, kManifestType, "{}");
  EXPECT_THAT(client(registry).list_tags({}), testing::ElementsAre("a", "b", "c", "d", "e"));
  registry.set_tag_page_size(2);
  EXPECT_THAT(client(registry).list_tags({}), testing::ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_EQ(registry.requests().size(), 1U + 3U);
}

TEST_F(RegistryClientTest, FollowsAbsoluteLinksButNotToOtherHosts) {
  registry.add_fault({.status = 200,
                      .headers = {{"Link", "<" + registry.url() + "/v2/team/app/tags/list?last=a>; rel=\"next\""}},
                      .body = R"({"tags":["a"]})"});
  registry.add_fault({.status = 200, .body = R"({"tags":null})"});
  EXPECT_THAT(client(registry).list_tags({}), testing::ElementsAre("a"));
  tests::FakeRegistry other;
  registry.add_fault({.status = 200,
                      .headers = {{"Link", "<" + other.url() + "/v2/team/app/tags/list>; rel=\"next\""}},
                      .body = R"({"tags":["a"]})"});
  EXPECT_EQ(error_of([&] { client(registry).list_tags({}); }).code(), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(other.requests().empty());
}

TEST_F(RegistryClientTest, LinkToThePageItselfEnds) {
  registry.add_fault({.times = -1,
                      .status = 200,
                      .headers = {{"Link", "</v2/team/app/tags/list?x>; rel=\"next\""}},
                      .body = R"({"tags":["a","not a tag"]})"});
  EXPECT_THAT(client(registry).list_tags({}), testing::ElementsAre("a", "a"));
}

TEST_F(RegistryClientTest, UnknownRepositoryHasNoTags) {
  const auto error = error_of<RegistryError>([&] { client(registry).list_tags({}); });
  EXPECT_EQ(error.registry_code(), "NAME_UNKNOWN");
  EXPECT_FALSE(error.has_own_message());
}

TEST_F(RegistryClientTest, FallsBackToHttpOnceForLoopback) {
  registry.add_manifest(repository, "1", kManifestType, "{}");
  auto puller = client(registry);
  puller.resolve("1", {});
  puller.resolve("1", {});
  EXPECT_EQ(registry.tls_attempts(), 1);
  EXPECT_EQ(registry.requests().size(), 2U);
  EXPECT_EQ(puller.registry(), registry.host());
}

TEST_F(RegistryClientTest, ReportsConnectionRefused) {
  std::string host;
  { host = tests::FakeRegistry().host(); }
  RegistryClient puller(http, options, oci::parse_repository_name(host + "/a"), Access::kPull, {{}, "x", {}}, logger);
  const auto error = error_of<TransportError>([&] { puller.resolve("1", {}); });
  EXPECT_EQ(error.text(),
            "Head \"https://" + host + "/v2/a/manifests/1\": dial tcp " + host + ": connect: connection refused");
}

}  // namespace
}  // namespace lighterd::distribution
