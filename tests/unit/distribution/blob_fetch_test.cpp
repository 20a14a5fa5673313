// SPDX-License-Identifier: Apache-2.0
#include "distribution/blob_fetch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "distribution/registry_error.hpp"
#include "tests/support/distribution_fixture.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::int64_t kMiB = 1024 * 1024;

class BlobFetchTest : public tests::DistributionFixture, public testing::Test {
 protected:
  BlobFetchTest() { options.stall_timeout = 200ms; }

  oci::Descriptor add(const std::string& content) { return registry.add_blob("app", content); }

  std::shared_ptr<RegistryClient> client(const tests::FakeRegistry& server, AuthConfig auth = {}) {
    return std::make_shared<RegistryClient>(http, options, oci::parse_repository_name(server.host() + "/app"),
                                            Access::kPull, OperationContext{std::move(auth), "ua", {}, {}}, logger);
  }

  // As the daemon fetches a layer; returns when it is here, or throws what the transfer threw.
  void fetch(const oci::Descriptor& blob, const std::vector<std::shared_ptr<RegistryClient>>& clients,
             const std::stop_token& stop = {}) {
    std::vector<Watch> watches;
    for (const auto& each : clients) {
      watches.push_back(downloads.join("blob", "host", work(blob), each));
      if (!watches.back().is_leader()) watches.back().contribute("host", each);
    }
    std::uint64_t seen = 0;
    while (!watches[0]->has_ended() && !stop.stop_requested())
      seen = downloads.wait_for_change(seen, std::chrono::steady_clock::now() + 1s, stop);
    if (watches[0]->state() == Transfer::State::kFailed) watches[0]->rethrow();
  }
  TransferWork work(const oci::Descriptor& blob) {
    return [this, blob, options = parallel](Transfer& transfer, const std::stop_token& stop) {
      const auto lease = store.content().make_lease("test");
      fetch_blob(store.content(), lease, blob, imagestore::BlobKind::kPlain, transfer, options, stop);
    };
  }
  Error error_of_fetch(const oci::Descriptor& blob) {
    try {
      fetch(blob, {client(registry)});
    } catch (const Error& error) {
      return error;
    }
    throw std::logic_error("nothing was thrown");
  }

  // Of the blob's bytes, how many the registry was asked for, to the end of each answer.
  std::vector<std::string> ranges() {
    std::vector<std::string> asked;
    for (const auto& request : registry.requests("GET", "*/blobs/*")) asked.push_back(request.header("Range"));
    return asked;
  }
  void expect_stored(const oci::Descriptor& blob, const std::string& content) {
    EXPECT_EQ(store.content().read_blob(blob.digest, content.size()), content);
  }

  ParallelOptions parallel;
};

TEST_F(BlobFetchTest, GoesOnWhereTheConnectionBroke) {
  const std::string content = tests::make_content(3 * kMiB);
  const auto blob = add(content);
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .cut_after_bytes = kMiB});
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .drop_connection = true});
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .status = 503});
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .stall_after_bytes = 5});
  fetch(blob, {client(registry)});
  const std::string rest = "bytes=1048576-3145727";
  EXPECT_EQ(ranges(), (std::vector<std::string>{"", rest, rest, rest, "bytes=1048581-3145727"}));
  expect_stored(blob, content);
}

TEST_F(BlobFetchTest, AServerThatKeepsDroppingIsGivenUp) {
  const auto blob = add(tests::make_content(kMiB));
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .times = -1, .cut_after_bytes = 10});
  const Error error = error_of_fetch(blob);
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  EXPECT_THAT(error.text(), HasSubstr("short read"));
  EXPECT_EQ(registry.count("GET", "*/blobs/*"), 6U);
}

TEST_F(BlobFetchTest, ProgressStartsTheCountAgain) {
  const std::string content = tests::make_content(12 * kMiB);
  const auto blob = add(content);
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .times = -1, .cut_after_bytes = kMiB});
  fetch(blob, {client(registry)});
  EXPECT_EQ(registry.count("GET", "*/blobs/*"), 12U);
  expect_stored(blob, content);
}

TEST_F(BlobFetchTest, WhatIsFinalFailsAtOnce) {
  const auto blob = add("content");
  for (const int status : {401, 403, 404}) {
    registry.clear_requests();
    registry.add_fault({.method = "GET", .path = "*/blobs/*", .status = status});
    error_of_fetch(blob);
    EXPECT_EQ(registry.count("GET", "*/blobs/*"), 1U) << status;
  }
}

TEST_F(BlobFetchTest, AWrongDigestCostsOneCleanRetry) {
  const std::string content = tests::make_content(kMiB);
  std::string damaged = content;
  damaged[500'000] ^= 1;
  const auto blob = add(content);
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .body = damaged});
  fetch(blob, {client(registry)});
  EXPECT_EQ(ranges(), (std::vector<std::string>{"", ""}));
  expect_stored(blob, content);
}

TEST_F(BlobFetchTest, ADigestThatIsWrongTwiceIsFinal) {
  const std::string content = tests::make_content(kMiB);
  const auto blob = add(content);
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .times = -1, .body = std::string(content.size(), 'x')});
  const Error error = error_of_fetch(blob);
  EXPECT_EQ(error.code(), ErrorCode::kDataLoss);
  EXPECT_THAT(error.text(), HasSubstr("verification failed for digest " + blob.digest.to_string()));
  EXPECT_EQ(registry.count("GET", "*/blobs/*"), 2U);
  EXPECT_TRUE(std::filesystem::is_empty(store.root() / "ingest"));
}

TEST_F(BlobFetchTest, ACancelledFetchIsResumedByTheNext) {
  const std::string content = tests::make_content(3 * kMiB);
  const auto blob = add(content);
  options.stall_timeout = 1h;
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .stall_after_bytes = 2 * kMiB});
  {
    auto watch = downloads.join("blob", "host", work(blob), client(registry));
    while (watch->current_bytes() < 2 * kMiB) downloads.wait_for_change(0, std::chrono::steady_clock::now() + 5ms, {});
  }
  fetch(blob, {client(registry)});
  EXPECT_EQ(ranges(), (std::vector<std::string>{"", "bytes=2097152-3145727"}));
  expect_stored(blob, content);
}

TEST_F(BlobFetchTest, ARestartResumes) {
  const std::string content = tests::make_content(3 * kMiB);
  const auto blob = add(content);
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .cut_after_bytes = 2 * kMiB});
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .status = 403});
  error_of_fetch(blob);
  store.reopen();
  fetch(blob, {client(registry)});
  EXPECT_EQ(ranges().back(), "bytes=2097152-3145727");
  expect_stored(blob, content);
}

TEST_F(BlobFetchTest, AServerWithoutRangesSendsItAllAgain) {
  const std::string content = tests::make_content(2 * kMiB);
  const auto blob = add(content);
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .cut_after_bytes = kMiB + 1});
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .status = 200, .body = content});
  fetch(blob, {client(registry)});
  EXPECT_EQ(registry.count("GET", "*/blobs/*"), 2U);
  expect_stored(blob, content);
}

TEST_F(BlobFetchTest, AnExpiredStorageUrlIsAskedForAnew) {
  const std::string content = tests::make_content(2 * kMiB);
  tests::FakeRegistry storage;
  const auto blob = add(content);
  storage.add_blob("x", content);
  const std::string target = storage.url() + "/v2/x/blobs/" + blob.digest.to_string();
  registry.add_fault(
      {.method = "GET", .path = "*/blobs/*", .times = -1, .status = 307, .headers = {{"Location", target}}});
  storage.add_fault({.cut_after_bytes = kMiB});
  storage.add_fault({.status = 403, .body = "Request has expired"});
  fetch(blob, {client(registry)});
  expect_stored(blob, content);
  EXPECT_EQ(registry.count("GET", "*/blobs/*"), 3U);
  storage.add_fault({.times = -1, .status = 403});
  const auto other = add("other");
  EXPECT_EQ(error_of_fetch(other).code(), ErrorCode::kPermissionDenied);
}

TEST_F(BlobFetchTest, AnotherWatchersClientTakesOver) {
  const std::string content = tests::make_content(kMiB);
  tests::FakeRegistry healthy;
  const auto blob = add(content);
  healthy.add_blob("app", content);
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .times = -1, .stall_before_head = true});
  fetch(blob, {client(registry), client(healthy)});
  EXPECT_EQ(healthy.count("GET", "*/blobs/*"), 1U);
  expect_stored(blob, content);
}

TEST_F(BlobFetchTest, AnotherClientsRefusalDoesNotEndIt) {
  const std::string content = tests::make_content(kMiB);
  tests::FakeRegistry stranger;
  const auto blob = add(content);
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .times = 2, .status = 503});
  fetch(blob, {client(registry), client(stranger)});
  EXPECT_EQ(registry.count("GET", "*/blobs/*"), 3U);
  expect_stored(blob, content);
}

TEST_F(BlobFetchTest, PartsThatComeInDropsAreNoProgress) {
  const std::string content = tests::make_content(kMiB);
  const auto blob = add(content);
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .cut_after_bytes = 10});
  // 206 with ten bytes of what was asked for, and then with ten others ...
  for (std::size_t begin = 10; begin < 200; begin += 10) {
    registry.add_fault({.method = "GET",
                        .path = "*/blobs/*",
                        .status = 206,
                        .headers = {{"Content-Range", "bytes " + std::to_string(begin) + "-" +
                                                          std::to_string(begin + 9) + "/" + std::to_string(kMiB)}},
                        .body = content.substr(begin, 10)});
  }
  EXPECT_EQ(error_of_fetch(blob).code(), ErrorCode::kUnavailable);
  EXPECT_EQ(registry.count("GET", "*/blobs/*"), 6U);
}

TEST_F(BlobFetchTest, ADamagedCopyOfAMirrorIsReplacedByTheRegistrys) {
  const std::string content = tests::make_content(kMiB);
  const auto blob = add(content);
  tests::FakeRegistry mirror;
  mirror.add_fault(
      {.method = "GET", .path = "*/blobs/*", .times = -1, .status = 200, .body = std::string(content.size(), 'x')});
  const tests::TempDir certs;
  const auto folder = certs.path() / registry.host();
  std::filesystem::create_directory(folder);
  std::ofstream(folder / "hosts.toml") << "server = '" + registry.url() + "'\n[host.'" + mirror.url() + "']\n";
  options.certs_roots = {certs.path()};
  fetch(blob, {client(registry)});
  EXPECT_EQ(mirror.count("GET", "*/blobs/*"), 1U);
  EXPECT_EQ(registry.count("GET", "*/blobs/*"), 1U);
  expect_stored(blob, content);
}

TEST_F(BlobFetchTest, AFailureBeforeTheFirstRequestEndsIt) {
  const auto image = tests::make_image({.layers = {"one"}});
  serve("app", "1", image);
  std::filesystem::remove_all(store.root() / "ingest");
  EXPECT_NE(pull_error("app:1").first, ErrorCode::kCancelled);
}

TEST_F(BlobFetchTest, TellsOfItsWaits) {
  const auto blob = add("content");
  options.retry.first_delay = 1h;
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .status = 502});
  auto watch = downloads.join("blob", "host", work(blob), client(registry));
  std::optional<Transfer::Wait> wait;
  while (!(wait = watch->find_wait())) downloads.wait_for_change(0, std::chrono::steady_clock::now() + 5ms, {});
  EXPECT_THAT(wait->reason, HasSubstr("502 Bad Gateway"));
}

// Every connection delivers slowly, so that the thread that hashes has nothing to do.
class ParallelBlobFetchTest : public BlobFetchTest {
 protected:
  ParallelBlobFetchTest() {
    parallel.interval = 30ms;
    options.stall_timeout = 10s;
    registry.add_fault(
        {.method = "GET", .path = "*/blobs/*", .times = -1, .chunk_bytes = 256 * 1024, .chunk_pause = 5ms});
  }
  const std::string content = tests::make_content(48 * kMiB);
  const oci::Descriptor blob = add(content);
};

TEST_F(ParallelBlobFetchTest, ASlowRegistryIsAskedOverSeveralConnections) {
  fetch(blob, {client(registry)});
  expect_stored(blob, content);
  const auto asked = ranges();
  EXPECT_GE(asked.size(), 4U);
  EXPECT_EQ(asked.front(), "bytes=0-50331647");
  // Each part once: those after the first, which broke off, are closed ranges that do not overlap.
  std::set<std::string> distinct(asked.begin(), asked.end());
  EXPECT_EQ(distinct.size(), asked.size());
}

// A registry that lets no more than two connections of a client in.
TEST_F(ParallelBlobFetchTest, AConnectionThatIsRefusedLeavesItsPartToTheOthers) {
  registry.clear_faults();
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .skip = 2, .times = 4, .status = 503});
  registry.add_fault(
      {.method = "GET", .path = "*/blobs/*", .times = -1, .chunk_bytes = 256 * 1024, .chunk_pause = 5ms});
  fetch(blob, {client(registry)});
  expect_stored(blob, content);
}

TEST_F(ParallelBlobFetchTest, WhatNoConnectionCanBringIsAFailureAndIsResumed) {
  registry.clear_faults();
  registry.add_fault({.method = "GET", .path = "*/blobs/*", .skip = 1, .times = -1, .status = 403});
  // Faults are tried in their order: the first request is the one that is left.
  registry.add_fault(
      {.method = "GET", .path = "*/blobs/*", .times = -1, .chunk_bytes = 256 * 1024, .chunk_pause = 5ms});
  EXPECT_EQ(error_of_fetch(blob).code(), ErrorCode::kPermissionDenied);
  registry.clear_faults();
  registry.clear_requests();
  fetch(blob, {client(registry)});
  expect_stored(blob, content);
  EXPECT_NE(ranges().front(), "bytes=0-50331647");
}

TEST_F(ParallelBlobFetchTest, AServerWithoutRangesKeepsOneConnection) {
  registry.clear_faults();
  registry.add_fault({.method = "GET",
                      .path = "*/blobs/*",
                      .status = 200,
                      .headers = {{"Content-Range", ""}},
                      .body = content,
                      .chunk_bytes = 256 * 1024,
                      .chunk_pause = 2ms});
  fetch(blob, {client(registry)});
  expect_stored(blob, content);
  EXPECT_EQ(registry.count("GET", "*/blobs/*"), 1U);
}

}  // namespace
}  // namespace lighterd::distribution
