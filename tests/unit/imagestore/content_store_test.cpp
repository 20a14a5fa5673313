// SPDX-License-Identifier: Apache-2.0
#include "imagestore/content_store.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "base/error.hpp"
#include "tests/support/compression.hpp"
#include "tests/support/error_code.hpp"
#include "tests/support/test_store.hpp"

namespace lighterd::imagestore {
namespace {

using base::ErrorCode;
using tests::code_of;
using tests::descriptor_of;
using tests::TestStore;

constexpr std::string_view kLayer = "application/vnd.oci.image.layer.v1.tar+gzip";

bool has_no_files(const std::filesystem::path& directory) {
  return std::filesystem::is_empty(directory);
}

TEST(ContentStoreTest, KeepsWhatWasCommitted) {
  TestStore store;
  const auto lease = store.content().make_lease("test");
  const std::string bytes = tests::compress("content", "gzip");
  const auto layer = store.put(kLayer, bytes, lease);
  const auto info = store.content().find_blob(layer.digest);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->size_bytes, layer.size_bytes);
  EXPECT_EQ(info->layer->diff_id, oci::digest_of(base::as_bytes("content")));
  EXPECT_EQ(store.content().read_blob(layer.digest, 1000), bytes);
  EXPECT_TRUE(has_no_files(store.root() / "ingest"));
}

TEST(ContentStoreTest, RefusesWrongContentAndLeavesNothing) {
  TestStore store;
  const auto lease = store.content().make_lease("test");
  const auto expected = descriptor_of(kLayer, "right");
  const auto write = [&](std::string_view bytes, const oci::Descriptor& wanted, imagestore::BlobKind kind) {
    const auto writer = store.content().start_blob(lease, oci::DigestAlgorithm::kSha256, kind);
    writer->write(base::as_bytes(bytes));
    writer->commit(wanted);
  };
  EXPECT_EQ(code_of([&] { write("wrong", expected, imagestore::BlobKind::kPlain); }), ErrorCode::kDataLoss);
  auto wrong_size = expected;
  wrong_size.size_bytes = 6;
  EXPECT_EQ(code_of([&] { write("right", wrong_size, imagestore::BlobKind::kPlain); }), ErrorCode::kDataLoss);
  const std::string damaged =
      "\x1F\x8B"
      "damaged, but with the right digest";
  EXPECT_EQ(code_of([&] { write(damaged, descriptor_of(kLayer, damaged), imagestore::BlobKind::kLayer); }),
            ErrorCode::kDataLoss);
  EXPECT_TRUE(has_no_files(store.root() / "ingest"));
  EXPECT_TRUE(store.files().empty());
  EXPECT_EQ(store.content().find_blob(expected.digest), std::nullopt);
}

TEST(ContentStoreTest, DropsAnIngestThatWasNotCommitted) {
  TestStore store;
  const auto lease = store.content().make_lease("test");
  {
    const auto writer = store.content().start_blob(lease, oci::DigestAlgorithm::kSha256, imagestore::BlobKind::kPlain);
    writer->write(base::as_bytes("half"));
    EXPECT_FALSE(has_no_files(store.root() / "ingest"));
  }
  EXPECT_TRUE(has_no_files(store.root() / "ingest"));
}

TEST(ContentStoreTest, StartRemovesWhatTheIndexDoesNotKnow) {
  TestStore store;
  const auto kept = store.put("text/plain", "kept", store.content().make_lease("test"));
  std::ofstream(store.root() / "ingest" / "left") << "partial";
  std::ofstream(store.root() / "blobs" / "sha256" / std::string(64, 'a')) << "unknown";
  std::ofstream(store.root() / "blobs" / "sha256" / "noise") << "unknown";
  store.reopen();
  EXPECT_TRUE(has_no_files(store.root() / "ingest"));
  EXPECT_EQ(store.files(), std::vector<std::string>{kept.digest.to_string()});
  EXPECT_TRUE(store.content().find_blob(kept.digest));
}

TEST(ContentStoreTest, StartRemovesWhatNothingHasNeededForLong) {
  TestStore store;
  const auto blob = store.put("text/plain", "unneeded", store.content().make_lease("test"));
  store.publish(tests::make_image(), "needed");
  const std::size_t all = store.files().size();
  store.reopen(std::chrono::hours(0));
  EXPECT_EQ(store.files().size(), all - 1);
  EXPECT_FALSE(store.content().find_blob(blob.digest));
}

TEST(ContentStoreTest, TreatsAMissingOrShortFileAsAbsentAndHealsIt) {
  TestStore store;
  const auto lease = store.content().make_lease("test");
  const auto blob = store.put("text/plain", "content", lease);
  const auto path = store.content().blob_path(blob.digest);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  std::filesystem::resize_file(path, 3);
  EXPECT_FALSE(store.content().find_blob(blob.digest, lease));
  store.put("text/plain", "content", lease);
  EXPECT_TRUE(store.content().find_blob(blob.digest, lease));
  std::filesystem::remove(path);
  EXPECT_FALSE(store.content().find_blob(blob.digest));
}

TEST(ContentStoreTest, NeverReturnsADamagedDocument) {
  TestStore store;
  const auto lease = store.content().make_lease("test");
  const auto blob = store.put("text/plain", "content", lease);
  const auto path = store.content().blob_path(blob.digest);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  std::ofstream(path, std::ios::trunc) << "Content";
  EXPECT_EQ(code_of([&] { store.content().read_blob(blob.digest, 100); }), ErrorCode::kDataLoss);
}

TEST(ContentStoreTest, ManyWritersOfOneDigestLeaveOneBlob) {
  TestStore store;
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < 8; ++i)
      writers.emplace_back([&] {
        for (int round = 0; round < 10; ++round) store.put("text/plain", "same", store.content().make_lease("test"));
      });
  }
  EXPECT_EQ(store.files().size(), 1U);
  EXPECT_TRUE(store.content().find_blob(descriptor_of("text/plain", "same").digest));
}

TEST(StoreLayoutTest, RefusesASecondDaemonAndAWritableRoot) {
  TestStore store;
  EXPECT_EQ(code_of([&] { const StoreLayout second(store.root()); }), ErrorCode::kConflict);
  const tests::TempDir open_to_all;
  std::filesystem::permissions(open_to_all.path(), std::filesystem::perms::all);
  EXPECT_EQ(code_of([&] { const StoreLayout layout(open_to_all.path()); }), ErrorCode::kPermissionDenied);
}

TEST(MetadataDbTest, RefusesANewerSchemaAndDropsOldLeases) {
  const tests::TempDir directory;
  const auto path = directory.path() / "test.db";
  {
    MetadataDb database(path);
    auto write = database.write();
    blob_table::insert_lease(*write, "old", "test", base::now());
    write.commit();
  }
  {
    MetadataDb database(path);
    auto read = database.read();
    Query query(*read, "SELECT count(*) FROM lease");
    query.step();
    EXPECT_EQ(query.integer(0), 0);
  }
  Database(path, Database::Mode::kWriter).execute("PRAGMA user_version=1000");
  EXPECT_EQ(code_of([&] { const MetadataDb database(path); }), ErrorCode::kConflict);
}

TEST(MetadataDbTest, RollsBackWhatIsNotCommitted) {
  const tests::TempDir directory;
  MetadataDb database(directory.path() / "test.db");
  {
    auto write = database.write();
    blob_table::insert_lease(*write, "lost", "test", base::now());
  }
  auto read = database.read();
  Query query(*read, "SELECT count(*) FROM lease");
  query.step();
  EXPECT_EQ(query.integer(0), 0);
}

}  // namespace
}  // namespace lighterd::imagestore
