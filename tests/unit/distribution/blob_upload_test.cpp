// SPDX-License-Identifier: Apache-2.0
// Chunks, resuming and retries of uploads; what the requests of one upload look like is in registry_push_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <numeric>

#include "distribution/body_source.hpp"
#include "tests/unit/distribution/registry_fixture.hpp"

namespace lighterd::distribution {
namespace {

using base::ErrorCode;
using testing::ElementsAre;
using tests::Fault;
using Kind = UploadResult::Kind;

constexpr std::int64_t kChunk = 100'000;
constexpr std::int64_t kSize = 1'000'000;

// Every chunk differs from every other.
std::string make_bytes(std::int64_t size, char first = 'a') {
  std::string bytes(static_cast<std::size_t>(size), first);
  for (std::size_t i = 0; i + 8 < bytes.size(); i += 1000) bytes.replace(i, 8, std::to_string(10'000'000 + i));
  return bytes;
}

class BlobUpload : public RegistryTest {
 protected:
  void SetUp() override {
    options.retry = {.max_attempts = 4, .first_delay = std::chrono::milliseconds(1)};
    options.uploads = {.chunked_from_bytes = 2 * kChunk, .chunk_bytes = kChunk};
  }
  RegistryClient make_client() { return client(registry, Access::kPush); }
  UploadResult push(RegistryClient& to, const std::string& bytes, const std::vector<std::string>& mounts = {},
                    std::stop_token stop = {}) {
    const oci::Descriptor blob{"", digest(bytes), static_cast<std::int64_t>(bytes.size()), {}, {}, {}, {}};
    return to.push_blob(blob, make_text_content(bytes), mounts,
                        {.on_sent = [this](std::int64_t sent) { sent_bytes.push_back(sent); },
                         .on_retry =
                             [this](const RetryNotice& notice) {
                               waits.push_back(notice);
                               if (on_wait) on_wait();
                             }},
                        std::move(stop));
  }
  UploadResult push(const std::string& bytes, const std::vector<std::string>& mounts = {}, std::stop_token stop = {}) {
    auto to = make_client();
    return push(to, bytes, mounts, std::move(stop));
  }
  static oci::Digest digest(const std::string& bytes) { return oci::digest_of(base::as_bytes(bytes)); }
  bool has(const std::string& bytes) const {
    return registry.find_blob(repository, digest(bytes).to_string()) == bytes;
  }
  std::vector<std::string> ranges() const {
    std::vector<std::string> found;
    for (const auto& request : registry.requests("PATCH")) found.push_back(request.header("content-range"));
    return found;
  }
  std::int64_t body_bytes() const {
    const auto all = registry.requests();
    return std::accumulate(all.begin(), all.end(), std::int64_t{0},
                           [](std::int64_t sum, const auto& request) { return sum + request.body_bytes; });
  }

  std::vector<std::int64_t> sent_bytes;
  std::vector<RetryNotice> waits;
  std::function<void()> on_wait;
};

TEST_F(BlobUpload, SendsALargeBlobInChunks) {
  const std::string bytes = make_bytes(250'000);
  registry.set_upload_location("/v2/team/app/blobs/uploads/{id}?_state={bytes}%3D");
  EXPECT_EQ(push(bytes).kind, Kind::kUploaded);
  EXPECT_TRUE(has(bytes));
  EXPECT_THAT(ranges(), ElementsAre("0-99999", "100000-199999", "200000-249999"));
  // Each to where the answer before said.
  const auto patches = registry.requests("PATCH");
  EXPECT_EQ(patches[0].query, "_state=0%3D");
  EXPECT_EQ(patches[2].query, "_state=200000%3D");
  EXPECT_EQ(patches[0].header("content-type"), "application/octet-stream");
  const auto puts = registry.requests("PUT");
  ASSERT_EQ(puts.size(), 1U);
  EXPECT_EQ(puts[0].body_bytes, 0);
  EXPECT_EQ(puts[0].query, "_state=250000%3D&digest=sha256%3A" + digest(bytes).hex());
  EXPECT_EQ(sent_bytes.back(), 250'000);
  EXPECT_EQ(registry.open_uploads(), 0U);
}

TEST_F(BlobUpload, SendsASmallBlobAtOnce) {
  EXPECT_EQ(push(make_bytes(2 * kChunk - 1)).kind, Kind::kUploaded);
  EXPECT_EQ(registry.count("PATCH", "*"), 0U);
}

TEST_F(BlobUpload, KeepsToTheLeastChunkOfTheRegistry) {
  registry.set_chunk_rules({.least = 240'000});
  EXPECT_EQ(push(make_bytes(500'000)).kind, Kind::kUploaded);
  EXPECT_THAT(ranges(), ElementsAre("0-239999", "240000-479999", "480000-499999"));
}

TEST_F(BlobUpload, GoesOnWhereTheRegistryHasIt) {
  const std::string bytes = make_bytes(kSize);
  registry.add_fault({.method = "PATCH", .skip = 8, .cut_request_after_bytes = 50'000});
  EXPECT_EQ(push(bytes).kind, Kind::kUploaded);
  EXPECT_TRUE(has(bytes));
  EXPECT_EQ(ranges().at(9), "850000-949999");
  EXPECT_EQ(body_bytes(), kSize);
  EXPECT_EQ(registry.count("POST", "*"), 1U);
  EXPECT_EQ(waits.size(), 1U);
  EXPECT_TRUE(std::is_sorted(sent_bytes.begin(), sent_bytes.end()));
  EXPECT_EQ(sent_bytes.back(), kSize);
}

class ChunkFault : public BlobUpload, public testing::WithParamInterface<Fault> {};
TEST_P(ChunkFault, CostsAtMostOneChunk) {
  for (const int skip : {0, 1, 9}) {
    registry.clear_requests();
    registry.clear_faults();
    Fault fault = GetParam();
    fault.skip = skip;
    registry.add_fault(fault);
    const std::string bytes = make_bytes(kSize, static_cast<char>('a' + skip));
    EXPECT_EQ(push(bytes).kind, Kind::kUploaded) << skip;
    EXPECT_TRUE(has(bytes));
    EXPECT_LE(body_bytes(), kSize + kChunk);
    EXPECT_EQ(registry.count("POST", "*"), 1U);
    EXPECT_EQ(registry.open_uploads(), 0U);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Table, ChunkFault,
    testing::Values(Fault{.method = "PATCH", .status = 500}, Fault{.method = "PATCH", .status = 502},
                    Fault{.method = "PATCH", .status = 503}, Fault{.method = "PATCH", .status = 408},
                    Fault{.method = "PATCH", .status = 429}, Fault{.method = "PATCH", .drop_connection = true},
                    Fault{.method = "PATCH", .drop_answer = true},
                    Fault{.method = "PATCH", .cut_request_after_bytes = 0},
                    Fault{.method = "PATCH", .cut_request_after_bytes = 99'999}));

TEST_F(BlobUpload, AsksAgainWhereItIsTold416) {
  const std::string bytes = make_bytes(kSize);
  // The answer says less than the registry took.
  registry.add_fault({.method = "PATCH", .skip = 3, .headers = {{"Range", "0-349999"}}});
  EXPECT_EQ(push(bytes).kind, Kind::kUploaded);
  EXPECT_TRUE(has(bytes));
  EXPECT_EQ(ranges().at(4), "350000-449999");
  EXPECT_EQ(ranges().at(5), "400000-499999");
}

TEST_F(BlobUpload, FaultsWithProgressBetweenThemNeverEndIt) {
  const std::string bytes = make_bytes(kSize);
  // Every other PATCH; more of them than tries.
  for (int i = 0; i < 8; ++i) registry.add_fault({.method = "PATCH", .skip = i + 1, .status = 503});
  EXPECT_EQ(push(bytes).kind, Kind::kUploaded);
  EXPECT_TRUE(has(bytes));
  EXPECT_GT(waits.size(), 4U);
}

TEST_F(BlobUpload, ADripOfBytesIsNoProgress) {
  registry.add_fault({.method = "PATCH", .times = -1, .cut_request_after_bytes = 10});
  EXPECT_EQ(error_of([&] { push(make_bytes(kSize)); }).code(), ErrorCode::kUnavailable);
  EXPECT_EQ(registry.count("PATCH", "*"), 4U);
  EXPECT_EQ(waits.size(), 3U);
}

class NoChunks : public BlobUpload, public testing::WithParamInterface<int> {};
TEST_P(NoChunks, SendsWholeAndRemembersIt) {
  registry.set_chunk_rules({.refused_with = GetParam()});
  auto to = make_client();
  const std::string bytes = make_bytes(kSize);
  EXPECT_EQ(push(to, bytes).kind, Kind::kUploaded);
  EXPECT_TRUE(has(bytes));
  EXPECT_EQ(registry.count("PATCH", "*"), 1U);
  EXPECT_EQ(registry.open_uploads(), 0U);
  EXPECT_TRUE(waits.empty());
  EXPECT_EQ(push(to, make_bytes(kSize, 'b')).kind, Kind::kUploaded);
  EXPECT_EQ(registry.count("PATCH", "*"), 1U);
}
INSTANTIATE_TEST_SUITE_P(Table, NoChunks, testing::Values(400, 404, 405, 411, 415, 416, 501));

class LateRefusal : public BlobUpload, public testing::WithParamInterface<Fault> {};
TEST_P(LateRefusal, CostsOneUploadInOneRequest) {
  registry.add_fault(GetParam());
  const std::string bytes = make_bytes(kSize);
  EXPECT_EQ(push(bytes).kind, Kind::kUploaded);
  EXPECT_TRUE(has(bytes));
  EXPECT_EQ(registry.requests("PUT").back().body_bytes, kSize);
  EXPECT_EQ(registry.open_uploads(), 0U);
}
INSTANTIATE_TEST_SUITE_P(
    Table, LateRefusal,
    testing::Values(Fault{.method = "PATCH", .skip = 1, .times = -1, .status = 400},
                    Fault{.method = "PATCH", .skip = 1, .times = -1, .status = 405},
                    Fault{.method = "PATCH", .skip = 1, .times = -1, .status = 411},
                    Fault{.method = "PATCH", .skip = 1, .times = -1, .status = 415},
                    Fault{.method = "PATCH", .skip = 1, .times = -1, .status = 416},
                    Fault{.method = "PATCH", .skip = 1, .times = -1, .status = 501},
                    Fault{.method = "PUT", .status = 400, .body = R"({"errors":[{"code":"DIGEST_INVALID"}]})"}));

class EmptyPromise : public BlobUpload, public testing::WithParamInterface<int> {};
TEST_P(EmptyPromise, IsLookedInto) {
  for (const std::int64_t size : {kChunk, kSize}) {
    registry.add_fault({.method = "PUT", .status = GetParam()});
    EXPECT_EQ(push(make_bytes(size)).kind, Kind::kUploaded);
    EXPECT_TRUE(has(make_bytes(size)));
  }
  registry.add_fault({.method = "PUT", .times = -1, .status = GetParam()});
  EXPECT_EQ(error_of([&] { push("never there"); }).code(), ErrorCode::kUnavailable);
}
INSTANTIATE_TEST_SUITE_P(Table, EmptyPromise, testing::Values(200, 202, 204));

TEST_F(BlobUpload, ARegistryThatForgetsGetsAllOfItOnceMore) {
  registry.set_chunk_rules({.forgets = true});
  registry.add_fault({.method = "PATCH", .skip = 8, .cut_request_after_bytes = 10});
  auto to = make_client();
  const std::string bytes = make_bytes(kSize);
  EXPECT_EQ(push(to, bytes).kind, Kind::kUploaded);
  EXPECT_TRUE(has(bytes));
  EXPECT_EQ(registry.requests("PUT").back().body_bytes, kSize);
  EXPECT_LT(body_bytes(), 2 * kSize);
  // In one request from now on: every further fault would cost as much.
  registry.clear_requests();
  EXPECT_EQ(push(to, make_bytes(kSize, 'b')).kind, Kind::kUploaded);
  EXPECT_EQ(registry.count("PATCH", "*"), 0U);
}

TEST_F(BlobUpload, DoesNotBelieveInBytesThatItNeverSent) {
  registry.add_fault({.method = "PATCH", .skip = 2, .status = 503});
  registry.add_fault({.method = "GET", .headers = {{"Range", "0-999998"}}});
  const std::string bytes = make_bytes(kSize);
  EXPECT_EQ(push(bytes).kind, Kind::kUploaded);
  EXPECT_TRUE(has(bytes));
  EXPECT_EQ(registry.requests("PUT").back().body_bytes, kSize);
  EXPECT_EQ(registry.open_uploads(), 0U);
}

TEST_F(BlobUpload, ALostAnswerToTheCommitIsLookedAfter) {
  for (const std::int64_t size : {kChunk, kSize}) {
    registry.clear_requests();
    registry.add_fault({.method = "PUT", .drop_answer = true});
    EXPECT_EQ(push(make_bytes(size)).kind, Kind::kUploaded);
    EXPECT_TRUE(has(make_bytes(size)));
    EXPECT_LE(body_bytes(), size);
  }
}

TEST_F(BlobUpload, CommitsAgainWithoutSendingAgain) {
  registry.add_fault({.method = "PUT", .status = 503});
  EXPECT_EQ(push(make_bytes(kSize)).kind, Kind::kUploaded);
  EXPECT_EQ(registry.count("PUT", "*"), 2U);
  EXPECT_EQ(body_bytes(), kSize);
}

TEST_F(BlobUpload, DamageAfterAResumeCostsOneCleanUpload) {
  registry.add_fault({.method = "PATCH", .skip = 1, .status = 503});
  registry.add_fault(
      {.method = "PUT", .status = 400, .body = R"({"errors":[{"code":"DIGEST_INVALID","message":"no"}]})"});
  const std::string bytes = make_bytes(kSize);
  EXPECT_EQ(push(bytes).kind, Kind::kUploaded);
  EXPECT_TRUE(has(bytes));
  EXPECT_EQ(registry.requests("PUT").back().body_bytes, kSize);
}

class SmallBlobFault : public BlobUpload, public testing::WithParamInterface<Fault> {};
TEST_P(SmallBlobFault, IsSentAgain) {
  const std::string bytes = make_bytes(kChunk);
  registry.add_fault(GetParam());
  EXPECT_EQ(push(bytes).kind, Kind::kUploaded);
  EXPECT_TRUE(has(bytes));
  ASSERT_EQ(waits.size(), 1U);
  // Given up where it was refused; who closes the connection gets nothing more.
  if (GetParam().status.value_or(404) != 404) {
    EXPECT_EQ(registry.open_uploads(), 0U);
  }
}
INSTANTIATE_TEST_SUITE_P(Table, SmallBlobFault,
                         testing::Values(Fault{.method = "HEAD", .status = 503}, Fault{.method = "POST", .status = 500},
                                         Fault{.method = "POST", .status = 429}, Fault{.method = "PUT", .status = 504},
                                         Fault{.method = "PUT", .status = 404},
                                         Fault{.method = "PUT", .drop_connection = true},
                                         Fault{.method = "PUT", .cut_request_after_bytes = 1}));

class FinalRefusal : public BlobUpload, public testing::WithParamInterface<Fault> {};
TEST_P(FinalRefusal, IsNotTriedAgain) {
  Fault fault = GetParam();
  fault.times = -1;
  registry.add_fault(fault);
  EXPECT_EQ(error_of<RegistryError>([&] { push(make_bytes(kSize)); }).status(), *GetParam().status);
  EXPECT_TRUE(waits.empty());
  EXPECT_EQ(registry.count(GetParam().method, "*"), static_cast<std::size_t>(fault.skip) + 1);
  // What was begun is given up.
  EXPECT_EQ(registry.open_uploads(), 0U);
}
INSTANTIATE_TEST_SUITE_P(Table, FinalRefusal,
                         testing::Values(Fault{.method = "HEAD", .status = 403}, Fault{.method = "POST", .status = 401},
                                         Fault{.method = "POST", .status = 404},
                                         Fault{.method = "PATCH", .status = 403},
                                         Fault{.method = "PATCH", .skip = 1, .status = 413},
                                         Fault{.method = "PUT", .status = 403}));

TEST_F(BlobUpload, GivesUpWithTheLastReason) {
  registry.add_fault({.method = "POST", .times = -1, .status = 503});
  const auto error = error_of<RegistryError>([&] { push("bytes"); });
  EXPECT_EQ(error.text(), "received unexpected HTTP status: 503 Service Unavailable");
  EXPECT_EQ(registry.count("POST", "*"), 4U);
}

TEST_F(BlobUpload, WaitsAsLongAsTheRegistryAsks) {
  registry.add_fault({.method = "POST", .status = 429, .headers = {{"Retry-After", "7"}}, .body = "slow down"});
  std::stop_source stop;
  on_wait = [&] { stop.request_stop(); };
  EXPECT_EQ(error_of([&] { push("bytes", {}, stop.get_token()); }).code(), ErrorCode::kCancelled);
  ASSERT_EQ(waits.size(), 1U);
  EXPECT_GE(waits[0].delay, std::chrono::seconds(7));
  EXPECT_LT(waits[0].delay, std::chrono::seconds(8));
  EXPECT_EQ(waits[0].reason, "toomanyrequests: slow down");
}

TEST_F(BlobUpload, ACancelledUploadIsGivenUpAtTheRegistry) {
  registry.add_fault({.method = "PATCH", .skip = 2, .stall_before_head = true});
  std::stop_source stop;
  auto pushing = std::async(std::launch::async,
                            [&] { return error_of([&] { push(make_bytes(kSize), {}, stop.get_token()); }).code(); });
  ASSERT_TRUE(registry.wait_for_requests(3, "PATCH", "*"));
  stop.request_stop();
  EXPECT_EQ(pushing.get(), ErrorCode::kCancelled);
  EXPECT_EQ(registry.count("DELETE", "*"), 1U);
  EXPECT_EQ(registry.open_uploads(), 0U);
}

TEST_F(BlobUpload, AStorageHostGetsOnePut) {
  tests::FakeRegistry storage;
  storage.add_fault({.status = 201});
  registry.set_upload_location(storage.url() + "/signed?sig=1");
  EXPECT_EQ(push(make_bytes(kSize)).kind, Kind::kUploaded);
  ASSERT_EQ(storage.requests().size(), 1U);
  EXPECT_EQ(storage.requests()[0].method, "PUT");
  EXPECT_EQ(storage.requests()[0].body_bytes, kSize);
}

TEST_F(BlobUpload, AnExpiredStorageUrlIsAskedForOnceMore) {
  tests::FakeRegistry storage;
  storage.add_fault({.method = "PUT", .status = 403});
  storage.add_fault({.method = "PUT", .status = 201});
  registry.set_upload_location(storage.url() + "/signed?sig=1");
  EXPECT_EQ(push("bytes").kind, Kind::kUploaded);
  EXPECT_EQ(registry.count("POST", "*"), 2U);
  storage.add_fault({.method = "PUT", .times = -1, .status = 403});
  registry.clear_requests();
  EXPECT_EQ(error_of<RegistryError>([&] { push("bytes"); }).status(), 403);
  EXPECT_EQ(registry.count("POST", "*"), 2U);
}

TEST_F(BlobUpload, GivingUpIsNotHeldUpByATokenServer) {
  registry.require_bearer("u", "p");
  auto to = client(registry, Access::kPush, password_auth("u", "p"));
  registry.add_fault({.method = "PATCH", .skip = 2, .stall_before_head = true});
  std::stop_source stop;
  auto pushing = std::async(
      std::launch::async, [&] { return error_of([&] { push(to, make_bytes(kSize), {}, stop.get_token()); }).code(); });
  ASSERT_TRUE(registry.wait_for_requests(3, "PATCH", "*"));
  registry.revoke_tokens();
  registry.add_fault({.method = "GET", .path = "/token", .stall_before_head = true});
  const auto before = std::chrono::steady_clock::now();
  stop.request_stop();
  EXPECT_EQ(pushing.get(), ErrorCode::kCancelled);
  // Not the stall timeout.
  EXPECT_LT(std::chrono::steady_clock::now() - before, options.stall_timeout);
  EXPECT_EQ(registry.count("GET", "/token"), 2U);
}

TEST_F(BlobUpload, NoCredentialLeavesWithAChunk) {
  tests::FakeRegistry elsewhere;
  elsewhere.add_fault({.times = -1, .status = 201});
  registry.require_bearer("u", "p");
  registry.add_fault({.method = "PATCH", .skip = 1, .headers = {{"Location", elsewhere.url() + "/up?sig=1"}}});
  const std::string bytes = make_bytes(3 * kChunk);
  auto to = client(registry, Access::kPush, password_auth("u", "p"));
  EXPECT_EQ(push(to, bytes).kind, Kind::kUploaded);
  EXPECT_EQ(elsewhere.count("PATCH", "/up"), 1U);
  EXPECT_EQ(elsewhere.count("PUT", "/up"), 1U);
  for (const auto& request : elsewhere.requests()) EXPECT_EQ(request.header("authorization"), "");
}

TEST_F(BlobUpload, AChunkIsNotSentWhereItMustNotGo) {
  registry.add_fault({.method = "PATCH", .headers = {{"Location", "http://10.0.0.1/up"}}});
  EXPECT_EQ(error_of([&] { push(make_bytes(3 * kChunk)); }).code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(registry.count("PATCH", "*"), 1U);
  EXPECT_TRUE(waits.empty());
}

TEST_F(BlobUpload, ATokenThatEndsInTheMiddleIsRenewedOnce) {
  registry.require_bearer("u", "p");
  auto to = client(registry, Access::kPush, password_auth("u", "p"));
  registry.add_fault({.method = "PATCH", .skip = 2, .stall_before_head = true});
  const std::string bytes = make_bytes(kSize);
  auto pushing = std::async(std::launch::async, [&] { return push(to, bytes).kind; });
  ASSERT_TRUE(registry.wait_for_requests(3, "PATCH", "*"));
  registry.revoke_tokens();
  registry.release_stalls();
  EXPECT_EQ(pushing.get(), Kind::kUploaded);
  EXPECT_TRUE(has(bytes));
  EXPECT_EQ(registry.count("GET", "/token"), 2U);
  EXPECT_LE(body_bytes(), kSize + kChunk);
}

struct LocationCase {
  const char* name;
  std::function<std::string(const tests::FakeRegistry&)> pattern;
};
class ChunkLocation : public BlobUpload, public testing::WithParamInterface<LocationCase> {};
TEST_P(ChunkLocation, IsFollowed) {
  registry.set_upload_location(GetParam().pattern(registry));
  const std::string bytes = make_bytes(kSize);
  registry.add_fault({.method = "PATCH", .skip = 4, .cut_request_after_bytes = 1});
  EXPECT_EQ(push(bytes).kind, Kind::kUploaded);
  EXPECT_TRUE(has(bytes));
}
INSTANTIATE_TEST_SUITE_P(
    Table, ChunkLocation,
    testing::Values(LocationCase{"path", [](const auto&) { return "/v2/team/app/blobs/uploads/{id}"; }},
                    LocationCase{"query", [](const auto&) { return "/v2/team/app/blobs/uploads/{id}?a=%2B+&b"; }},
                    LocationCase{"absolute", [](const auto& r) { return r.url() + "/v2/team/app/blobs/uploads/{id}"; }},
                    LocationCase{"no_scheme",
                                 [](const auto& r) { return r.host() + "/v2/team/app/blobs/uploads/{id}?x=1"; }}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_F(BlobUpload, TriesMoreMountsTheLargerTheBlob) {
  const std::vector<std::string> candidates = {"a/1", "a/2", "a/3", "a/4", "a/5"};
  const auto mounts_tried = [&](std::int64_t size) {
    registry.clear_requests();
    push(make_bytes(size), candidates);
    const auto posts = registry.requests("POST");
    return std::count_if(posts.begin(), posts.end(), [](const auto& post) {
      EXPECT_EQ(post.query.find("mount=") != std::string::npos, post.query.find("from=") != std::string::npos);
      return post.query.find("mount=") != std::string::npos;
    });
  };
  EXPECT_EQ(mounts_tried(1'000), 1);
  EXPECT_EQ(mounts_tried(150'000), 3);
  EXPECT_EQ(mounts_tried(11'000'000), 4);
  EXPECT_EQ(registry.open_uploads(), 0U);
}

TEST_F(BlobUpload, GivesUpTheSessionOfAnEarlierCandidateWhenItIsCancelled) {
  registry.add_fault({.method = "POST", .skip = 1, .stall_before_head = true});
  std::stop_source stop;
  auto pushing = std::async(std::launch::async, [&] {
    return error_of([&] { push(make_bytes(kSize), {"a/1", "a/2"}, stop.get_token()); }).code();
  });
  ASSERT_TRUE(registry.wait_for_requests(2, "POST", "*"));
  stop.request_stop();
  EXPECT_EQ(pushing.get(), ErrorCode::kCancelled);
  EXPECT_EQ(registry.open_uploads(), 0U);
}

TEST_F(BlobUpload, DoesWithoutAMountThatLeadsWhereItMustNotGo) {
  registry.add_fault({.method = "POST", .headers = {{"Location", "http://10.0.0.1/up"}}});
  EXPECT_EQ(push("bytes", {"a/1"}).kind, Kind::kUploaded);
  EXPECT_EQ(registry.count("POST", "*"), 2U);
}

TEST_F(BlobUpload, GivesUpTheSessionOfAnEarlierCandidate) {
  const std::string bytes = make_bytes(kSize);
  registry.add_blob("a/2", bytes);
  const UploadResult result = push(bytes, {"a/1", "a/2"});
  EXPECT_EQ(result.kind, Kind::kMounted);
  EXPECT_EQ(result.mounted_from, "a/2");
  EXPECT_EQ(body_bytes(), 0);
  EXPECT_EQ(registry.open_uploads(), 0U);
}

}  // namespace
}  // namespace lighterd::distribution
