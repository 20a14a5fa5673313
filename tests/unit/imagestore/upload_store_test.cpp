// SPDX-License-Identifier: Apache-2.0
#include "imagestore/upload_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "base/error.hpp"
#include "tests/support/error_code.hpp"
#include "tests/support/test_store.hpp"

namespace lighterd::imagestore {
namespace {

using base::ErrorCode;
using tests::code_of;
using tests::TestStore;
constexpr auto kSha256 = oci::DigestAlgorithm::kSha256;
constexpr auto kSha512 = oci::DigestAlgorithm::kSha512;

oci::Digest digest_of(const std::string& text, oci::DigestAlgorithm algorithm = kSha256) {
  return oci::digest_of(base::as_bytes(text), algorithm);
}

// The store and what is on top of it; all of it is opened anew by a restart.
struct Daemon {
  explicit Daemon(TestStore& store)
      : registry(store.content(), store.database(), std::chrono::hours(1)),
        uploads(store.content(), registry, store.database()) {}
  RegistryStore registry;
  UploadStore uploads;
};

class UploadStoreTest : public ::testing::Test {
 protected:
  UploadStore& uploads() { return daemon_->uploads; }
  void restart() {
    daemon_.reset();
    store_.reopen();
    daemon_.emplace(store_);
  }
  std::string start(const std::string& bytes, const std::string& repository = "app",
                    oci::DigestAlgorithm algorithm = kSha256) {
    const auto upload = uploads().start(repository, algorithm);
    upload->write(base::as_bytes(bytes));
    return upload->id();
  }
  void append(const std::string& id, const std::string& bytes) {
    uploads().open(id, "app", {})->write(base::as_bytes(bytes));
  }
  ErrorCode open_error(const std::string& id, const std::string& repository = "app") {
    return code_of([&] { uploads().open(id, repository, {}); });
  }
  std::size_t ingests() const {
    const auto folder = std::filesystem::directory_iterator(store_.root() / "ingest");
    return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
  }
  std::int64_t rows() {
    auto read = store_.database().read();
    Query query(*read, "SELECT count(*) FROM upload");
    query.step();
    return query.integer(0);
  }
  void expect_nothing_left() {
    EXPECT_EQ(ingests(), 0U);
    EXPECT_EQ(rows(), 0);
  }

  TestStore store_;
  std::optional<Daemon> daemon_{std::in_place, store_};
};

TEST_F(UploadStoreTest, ABlobArrivesInSeveralRequests) {
  const std::string id = start("one ");
  EXPECT_EQ(id.size(), 32U);
  append(id, "two ");
  EXPECT_EQ(uploads().get_size(id, "app"), 8);
  EXPECT_EQ(store_.content().measure_usage().total_bytes(), 8);
  EXPECT_EQ(store_.content().measure_usage().unneeded_bytes(), 0) << "no prune takes it";
  const auto digest = digest_of("one two three");
  {
    const auto upload = uploads().open(id, "app", {});
    upload->write(base::as_bytes("three"));
    EXPECT_EQ(upload->size_bytes(), 13);
    EXPECT_EQ(uploads().get_size(id, "app"), 13) << "while somebody has it";
    const BlobInfo info = upload->commit(digest);
    EXPECT_EQ(info.digest, digest);
    EXPECT_EQ(info.size_bytes, 13);
  }
  EXPECT_TRUE(daemon_->registry.find_blob("app", digest));
  EXPECT_FALSE(daemon_->registry.find_blob("other", digest));
  EXPECT_EQ(store_.content().read_blob(digest, 100), "one two three");
  EXPECT_EQ(open_error(id), ErrorCode::kNotFound);
  expect_nothing_left();
}

TEST_F(UploadStoreTest, EmptyBlobsAndOtherAlgorithms) {
  const auto upload = uploads().start_single("app", kSha512);
  upload->commit(digest_of("", kSha512));
  EXPECT_TRUE(daemon_->registry.find_blob("app", digest_of("", kSha512)));
  // The session was started with another one than the commit names.
  for (const auto& [first, second] : {std::pair{kSha256, kSha512}, std::pair{kSha512, kSha256}}) {
    const std::string id = start("content", "app", first);
    uploads().open(id, "app", {})->commit(digest_of("content", second));
    EXPECT_TRUE(daemon_->registry.find_blob("app", digest_of("content", second)));
  }
  expect_nothing_left();
}

TEST_F(UploadStoreTest, WhatIsExpectedIsHashedFromTheFirstByte) {
  const auto digest = digest_of("content", kSha512);
  const std::string id = start("");
  const auto upload = uploads().open(id, "app", {});
  upload->expect(kSha512);
  upload->write(base::as_bytes("content"));
  upload->expect(kSha256);  // too late
  // Reading it again would see this.
  std::ofstream(store_.root() / "ingest" / ("upload-" + id), std::ios::in) << "CONTENT";
  EXPECT_EQ(upload->commit(digest).digest, digest);
}

TEST_F(UploadStoreTest, ReadingAgainCanBeStopped) {
  const auto digest = digest_of("content", kSha512);
  const std::string id = start("content");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(code_of([&] { uploads().open(id, "app", {})->commit(digest, stop.get_token()); }), ErrorCode::kCancelled);
  EXPECT_EQ(uploads().open(id, "app", {})->commit(digest).digest, digest);
}

TEST_F(UploadStoreTest, WrongBytesEndTheSession) {
  for (const auto algorithm : {kSha256, kSha512}) {
    const std::string id = start("content");
    const auto wrong = digest_of("other", algorithm);
    EXPECT_EQ(code_of([&] { uploads().open(id, "app", {})->commit(wrong); }), ErrorCode::kDataLoss);
    EXPECT_EQ(open_error(id), ErrorCode::kNotFound);
    EXPECT_FALSE(daemon_->registry.find_blob("app", wrong));
  }
  EXPECT_TRUE(store_.files().empty());
  expect_nothing_left();
}

TEST_F(UploadStoreTest, CancellingForgetsWhatArrived) {
  const std::string id = start("content");
  uploads().open(id, "app", {})->cancel();
  EXPECT_EQ(open_error(id), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { uploads().get_size(id, "app"); }), ErrorCode::kNotFound);
  expect_nothing_left();
}

TEST_F(UploadStoreTest, OfASingleRequestNothingStays) {
  {
    const auto upload = uploads().start_single("app", kSha256);
    upload->write(base::as_bytes("content"));
    EXPECT_EQ(ingests(), 1U);
    EXPECT_EQ(open_error(upload->id()), ErrorCode::kNotFound);
  }
  expect_nothing_left();
}

TEST_F(UploadStoreTest, SessionsAreOfTheirRepository) {
  const std::string id = start("content");
  EXPECT_EQ(open_error(id, "other"), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { uploads().get_size(id, "other"); }), ErrorCode::kNotFound);
  EXPECT_EQ(open_error("../../etc/passwd"), ErrorCode::kNotFound);
  EXPECT_EQ(open_error(std::string(32, 'a')), ErrorCode::kNotFound);
  EXPECT_EQ(open_error(std::string(32, 'a') + "/"), ErrorCode::kNotFound);
  append(id, " goes on");
  EXPECT_EQ(uploads().get_size(id, "app"), 15);
}

TEST_F(UploadStoreTest, WhereNobodyMayPushNothingStarts) {
  store_.publish(tests::make_image(), "alpine:3");
  const std::string pulled = "docker.io/library/alpine";
  EXPECT_EQ(code_of([&] { uploads().start(pulled, kSha256); }), ErrorCode::kPermissionDenied);
  EXPECT_EQ(code_of([&] { uploads().start_single(pulled, kSha256); }), ErrorCode::kPermissionDenied);
  expect_nothing_left();
}

TEST_F(UploadStoreTest, SurvivesARestart) {
  const std::string id = start("one ");
  restart();
  EXPECT_EQ(uploads().get_size(id, "app"), 4);
  append(id, "two ");
  restart();
  const auto upload = uploads().open(id, "app", {});
  EXPECT_EQ(upload->size_bytes(), 8);
  upload->write(base::as_bytes("three"));
  upload->commit(digest_of("one two three"));
  restart();
  EXPECT_TRUE(daemon_->registry.find_blob("app", digest_of("one two three")));
  expect_nothing_left();
}

TEST_F(UploadStoreTest, AfterARestartRowsAndFilesBelongTogether) {
  const std::string without_file = start("content");
  std::filesystem::remove(store_.root() / "ingest" / ("upload-" + without_file));
  std::ofstream(store_.root() / "ingest" / ("upload-" + std::string(32, 'b'))) << "without a row";
  const std::string whole = start("content");
  restart();
  EXPECT_EQ(open_error(without_file), ErrorCode::kNotFound);
  EXPECT_EQ(ingests(), 1U);
  EXPECT_EQ(rows(), 1);
  EXPECT_EQ(uploads().get_size(whole, "app"), 7);
}

TEST_F(UploadStoreTest, ASessionWithoutItsBytesIsForgotten) {
  const std::string id = start("content");
  restart();
  std::filesystem::remove(store_.root() / "ingest" / ("upload-" + id));
  EXPECT_EQ(open_error(id), ErrorCode::kNotFound);
  expect_nothing_left();
}

TEST_F(UploadStoreTest, MoreSessionsThanHashesAreKept) {
  std::vector<std::string> ids;
  for (int i = 0; i < 300; ++i) ids.push_back(start(std::to_string(i) + " "));
  for (const std::size_t i : {0U, 1U, 298U, 299U}) {
    const auto upload = uploads().open(ids[i], "app", {});
    upload->write(base::as_bytes("end"));
    upload->commit(digest_of(std::to_string(i) + " end"));
  }
  EXPECT_EQ(store_.files().size(), 4U);
}

TEST_F(UploadStoreTest, OneRequestAtATimeHasASession) {
  auto first = uploads().start("app", kSha256);
  first->write(base::as_bytes("first "));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(code_of([&] { uploads().open(first->id(), "app", stop.get_token()); }), ErrorCode::kCancelled);
  const std::string id = first->id();
  std::jthread second([&] { append(id, "second"); });
  first.reset();
  second.join();
  uploads().open(id, "app", {})->commit(digest_of("first second"));
}

TEST_F(UploadStoreTest, ExpiresWhatNobodyWritesTo) {
  const std::string old = start("old");
  const std::string taken = start("taken");
  const auto holder = uploads().open(taken, "app", {});
  EXPECT_EQ(uploads().expire(base::now() - std::chrono::hours(1)), 0U);
  // Started long ago, and written to just now.
  store_.execute("UPDATE upload SET created_at=1");
  EXPECT_EQ(uploads().expire(base::now() - std::chrono::hours(1)), 0U);
  EXPECT_EQ(uploads().expire(base::now() + std::chrono::hours(1)), 1U);
  EXPECT_EQ(open_error(old), ErrorCode::kNotFound);
  EXPECT_EQ(uploads().get_size(taken, "app"), 5);
  holder->commit(digest_of("taken"));
  expect_nothing_left();
}

TEST_F(UploadStoreTest, ManyPushersOfTheSameAndOfDifferentBlobs) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 10;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        for (int round = 0; round < kRounds; ++round) {
          const std::string own = "own " + std::to_string(t * kRounds + round);
          for (const std::string& bytes : {own, std::string("shared")}) {
            const auto upload = uploads().start("app", kSha256);
            upload->write(base::as_bytes(bytes));
            upload->commit(digest_of(bytes));
            EXPECT_TRUE(daemon_->registry.find_blob("app", digest_of(bytes)));
          }
        }
      });
  }
  EXPECT_EQ(store_.files().size(), std::size_t{kThreads * kRounds + 1});
  expect_nothing_left();
}

}  // namespace
}  // namespace lighterd::imagestore
