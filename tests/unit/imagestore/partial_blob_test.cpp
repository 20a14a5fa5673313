// SPDX-License-Identifier: Apache-2.0
#include "imagestore/partial_blob.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <thread>

#include "tests/support/error_code.hpp"
#include "tests/support/test_store.hpp"

namespace lighterd::imagestore {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::int64_t kMiB = 1024 * 1024;

class PartialBlobTest : public testing::Test {
 protected:
  std::unique_ptr<PartialBlob> open() { return store.content().open_partial(lease(), blob, BlobKind::kLayer, {}); }
  const Lease& lease() {
    if (!lease_) lease_.emplace(store.content().make_lease("test"));
    return *lease_;
  }
  void write(PartialBlob& partial, std::int64_t begin, std::int64_t end) {
    PartialBlob::Part part(partial, begin);
    part.write(base::as_bytes(
        std::string_view(content).substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin))));
  }
  std::int64_t find() { return store.content().find_partial_bytes(blob, {}); }
  // The files under ingest/, and the digests of what is in them.
  std::map<std::string, std::string> list_files() {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(store.root() / "ingest")) {
      std::ifstream stream(entry.path(), std::ios::binary);
      const std::string bytes(std::istreambuf_iterator<char>(stream), {});
      files.emplace(entry.path().filename(), oci::digest_of(base::as_bytes(bytes)).to_string());
    }
    return files;
  }
  void restart() {
    lease_.reset();
    store.reopen();
  }
  std::filesystem::path file(const char* extension) {
    return store.root() / "ingest" / ("sha256-" + blob.digest.hex() + extension);
  }
  void overwrite(const std::filesystem::path& path, std::int64_t offset, const std::string& bytes) {
    std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(offset);
    stream << bytes;
  }
  void expect_whole(PartialBlob& partial) {
    ASSERT_TRUE(partial.is_complete());
    partial.commit();
    EXPECT_EQ(store.content().read_blob(blob.digest, content.size()), content);
    const auto info = store.content().find_blob(blob.digest);
    ASSERT_TRUE(info && info->layer);
    EXPECT_EQ(info->layer->diff_id.hex(), blob.digest.hex());
    EXPECT_TRUE(std::filesystem::is_empty(store.root() / "ingest"));
  }

  const std::string content = tests::make_content(3 * kMiB);
  const oci::Descriptor blob = tests::descriptor_of("application/vnd.oci.image.layer.v1.tar", content);
  tests::TestStore store;
  std::optional<Lease> lease_;
};

TEST_F(PartialBlobTest, PartsComeInAnyOrder) {
  const auto partial = open();
  write(*partial, 2 * kMiB, 3 * kMiB);
  write(*partial, 0, 100);
  EXPECT_TRUE(partial->verify_arrived(kMiB));
  EXPECT_EQ(partial->verified_bytes(), 100);
  EXPECT_FALSE(partial->verify_arrived(kMiB));
  EXPECT_EQ(partial->find_gap(0, blob.size_bytes), (ByteRange{100, 2 * kMiB}));
  write(*partial, 100, 2 * kMiB);
  EXPECT_EQ(partial->arrived_bytes(), blob.size_bytes);
  expect_whole(*partial);
}

TEST_F(PartialBlobTest, HashesAsItArrives) {
  const auto partial = open();
  PartialBlob::Part part(*partial, 0);
  for (std::size_t at = 0; at < content.size(); at += 10'000) {
    const auto piece = base::as_bytes(std::string_view(content).substr(at, 10'000));
    const auto position = part.position();
    part.write(piece);
    partial->verify(position, piece);
    ASSERT_EQ(partial->verified_bytes(), part.position());
  }
}

TEST_F(PartialBlobTest, ARestartKeepsWhatArrived) {
  {
    const auto partial = open();
    write(*partial, 0, kMiB);
    write(*partial, 2 * kMiB, 2 * kMiB + 5);
  }
  restart();
  const auto partial = open();
  EXPECT_EQ(partial->arrived_bytes(), kMiB + 5);
  EXPECT_EQ(partial->find_gap(0, blob.size_bytes), (ByteRange{kMiB, 2 * kMiB}));
  write(*partial, kMiB, 2 * kMiB);
  write(*partial, 2 * kMiB + 5, 3 * kMiB);
  expect_whole(*partial);
}

TEST_F(PartialBlobTest, ATornTailIsCut) {
  {
    const auto partial = open();
    write(*partial, 0, kMiB);
    write(*partial, kMiB, 2 * kMiB);
  }
  // As after a power cut: the map says more than the file holds.
  overwrite(file(".part"), 2 * kMiB - 8, std::string(8, '\0'));
  restart();
  {
    const auto partial = open();
    EXPECT_EQ(partial->find_gap(0, blob.size_bytes), (ByteRange{kMiB, 3 * kMiB}));
    write(*partial, kMiB, kMiB + 10);
  }
  restart();
  const auto partial = open();
  EXPECT_EQ(partial->arrived_bytes(), kMiB + 10);
  write(*partial, kMiB + 10, 3 * kMiB);
  expect_whole(*partial);
}

TEST_F(PartialBlobTest, ATornMapIsReadAsFarAsItIsWhole) {
  {
    const auto partial = open();
    write(*partial, 0, kMiB);
    write(*partial, kMiB, 2 * kMiB);
  }
  std::filesystem::resize_file(file(".map"), std::filesystem::file_size(file(".map")) - 3);
  restart();
  const auto partial = open();
  EXPECT_EQ(partial->find_gap(0, blob.size_bytes), (ByteRange{kMiB, 3 * kMiB}));
  write(*partial, kMiB, 3 * kMiB);
  expect_whole(*partial);
}

struct DamageCase {
  const char* name;
  std::function<void(const std::filesystem::path& part, const std::filesystem::path& map)> damage;
};
class DamagedPartial : public PartialBlobTest, public testing::WithParamInterface<DamageCase> {};
TEST_P(DamagedPartial, NeverStandsInTheWay) {
  {
    const auto partial = open();
    write(*partial, 0, kMiB);
  }
  GetParam().damage(file(".part"), file(".map"));
  restart();
  const auto found = find();
  const auto partial = open();
  EXPECT_EQ(found, partial->arrived_bytes());
  for (auto gap = partial->find_gap(0, blob.size_bytes); gap; gap = partial->find_gap(0, blob.size_bytes))
    write(*partial, gap->begin, gap->end);
  expect_whole(*partial);
}
void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}
INSTANTIATE_TEST_SUITE_P(
    Table, DamagedPartial,
    testing::Values(
        DamageCase{"no_data", [](const auto& part, const auto&) { std::filesystem::remove(part); }},
        DamageCase{"no_map", [](const auto&, const auto& map) { std::filesystem::remove(map); }},
        DamageCase{"empty_data", [](const auto& part, const auto&) { std::filesystem::resize_file(part, 0); }},
        DamageCase{"empty_map", [](const auto&, const auto& map) { std::filesystem::resize_file(map, 0); }},
        DamageCase{"junk_map", [](const auto&, const auto& map) { write_text(map, std::string(1000, 'x')); }},
        DamageCase{"long_data", [](const auto& part, const auto&) { std::filesystem::resize_file(part, 9 * kMiB); }},
        DamageCase{"read_only_data",
                   [](const auto& part, const auto&) {
                     std::filesystem::permissions(part, std::filesystem::perms::owner_read);
                   }},
        DamageCase{"folder_for_data",
                   [](const auto& part, const auto&) {
                     std::filesystem::remove(part);
                     std::filesystem::create_directory(part);
                   }},
        DamageCase{"link_for_map",
                   [](const auto&, const auto& map) {
                     std::filesystem::remove(map);
                     std::filesystem::create_symlink("/dev/null", map);
                   }}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_F(PartialBlobTest, WrongContentIsForgotten) {
  const auto partial = open();
  {
    PartialBlob::Part part(*partial, 0);
    part.write(base::as_bytes(std::string(content.size(), 'x')));
  }
  try {
    partial->commit();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kDataLoss);
    EXPECT_THAT(error.text(), testing::HasSubstr("filesystem layer verification failed for digest"));
  }
  EXPECT_EQ(partial->arrived_bytes(), 0);
  write(*partial, 0, 3 * kMiB);
  expect_whole(*partial);
}

// What the kernel could not write it may still show: only the index says what is on disk.
TEST_F(PartialBlobTest, WhatCouldNotBeStoredIsForgotten) {
  {
    const auto partial = open();
    write(*partial, 0, 3 * kMiB);
    std::filesystem::remove_all(store.root() / "blobs" / "sha256");
    EXPECT_THROW(partial->commit(), Error);
  }
  EXPECT_TRUE(std::filesystem::is_empty(store.root() / "ingest"));
}

TEST_F(PartialBlobTest, LittleIsNotKept) {
  {
    const auto partial = open();
    write(*partial, 0, 1000);
    EXPECT_FALSE(std::filesystem::is_empty(store.root() / "ingest"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(store.root() / "ingest"));
}

TEST_F(PartialBlobTest, OldOnesAndFinishedOnesGoAtTheStart) {
  {
    const auto partial = open();
    write(*partial, 0, kMiB);
  }
  write_text(store.root() / "ingest" / "0123", "left by a writer");
  write_text(store.root() / "ingest" / "sha256-zz.part", "no digest");
  restart();
  EXPECT_TRUE(std::filesystem::exists(file(".part")));
  EXPECT_FALSE(std::filesystem::exists(store.root() / "ingest" / "0123"));
  EXPECT_FALSE(std::filesystem::exists(store.root() / "ingest" / "sha256-zz.part"));
  lease_.reset();
  store.reopen(std::chrono::hours(0));
  EXPECT_TRUE(std::filesystem::is_empty(store.root() / "ingest"));
}

TEST_F(PartialBlobTest, IdleOnesMakeRoom) {
  auto partial = open();
  write(*partial, 0, kMiB);
  store.content().remove_idle_partials();
  EXPECT_TRUE(std::filesystem::exists(file(".part")));
  partial.reset();
  store.content().remove_idle_partials();
  EXPECT_TRUE(std::filesystem::is_empty(store.root() / "ingest"));
}

TEST_F(PartialBlobTest, TheNextOneWaitsForTheFirstToGo) {
  auto first = open();
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_THROW(store.content().open_partial(lease(), blob, BlobKind::kLayer, stop.get_token()), Error);
  const Lease other = store.content().make_lease("other");
  std::jthread second([&] {
    const auto partial = store.content().open_partial(other, blob, BlobKind::kLayer, {});
    EXPECT_EQ(partial->arrived_bytes(), kMiB);
  });
  write(*first, 0, kMiB);
  first.reset();
}

TEST_F(PartialBlobTest, IsFoundWithoutATrace) {
  EXPECT_EQ(find(), 0);
  EXPECT_TRUE(list_files().empty());
  {
    const auto partial = open();
    write(*partial, 0, kMiB);
    write(*partial, 2 * kMiB, 2 * kMiB + 5);
  }
  restart();
  const auto files = list_files();
  EXPECT_EQ(find(), kMiB + 5);
  EXPECT_EQ(list_files(), files);
  const auto partial = open();
  EXPECT_EQ(partial->arrived_bytes(), kMiB + 5);
  write(*partial, kMiB, 2 * kMiB);
  write(*partial, 2 * kMiB + 5, 3 * kMiB);
  expect_whole(*partial);
  EXPECT_EQ(find(), 0);
}

TEST_F(PartialBlobTest, AnotherSizeIsAnotherBlob) {
  {
    const auto partial = open();
    write(*partial, 0, kMiB);
  }
  const auto files = list_files();
  for (const std::int64_t size_bytes : {3 * kMiB + 1, 2 * kMiB, std::int64_t{0}, std::int64_t{-1}}) {
    oci::Descriptor other = blob;
    other.size_bytes = size_bytes;
    EXPECT_EQ(store.content().find_partial_bytes(other, {}), 0) << size_bytes;
  }
  EXPECT_EQ(list_files(), files);
  EXPECT_EQ(find(), kMiB);
}

TEST_F(PartialBlobTest, DamageIsNotFoundAndNotMended) {
  {
    const auto partial = open();
    write(*partial, 0, 100'000);
    write(*partial, kMiB, 2 * kMiB);
  }
  overwrite(file(".part"), kMiB + 500'000, "damage");
  const auto files = list_files();
  const auto found = find();
  EXPECT_EQ(list_files(), files);
  EXPECT_GE(found, 100'000);
  EXPECT_LT(found, 100'000 + kMiB);
  EXPECT_EQ(open()->arrived_bytes(), found);
}

TEST_F(PartialBlobTest, IsFoundWhileItIsWritten) {
  const auto partial = open();
  PartialBlob::Part part(*partial, 0);
  const auto piece = [&](std::size_t begin, std::size_t size) {
    return base::as_bytes(std::string_view(content).substr(begin, size));
  };
  part.write(piece(0, kMiB));
  part.write(piece(kMiB, 10));
  EXPECT_EQ(find(), kMiB) << "what was recorded";
  part.write(piece(kMiB + 10, kMiB));
  EXPECT_EQ(find(), 2 * kMiB + 10) << "and the record goes on";
  EXPECT_EQ(partial->arrived_bytes(), 2 * kMiB + 10);
}

TEST_F(PartialBlobTest, ToLookForItCanBeStopped) {
  {
    const auto partial = open();
    write(*partial, 0, kMiB);
  }
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(tests::code_of([&] { (void)store.content().find_partial_bytes(blob, stop.get_token()); }),
            ErrorCode::kCancelled);
}

TEST_F(PartialBlobTest, FreeBytesAreThoseOfTheDisk) {
  const auto free = static_cast<double>(store.content().free_bytes());
  const auto space = static_cast<double>(std::filesystem::space(store.root()).available);
  // Others write to it meanwhile.
  EXPECT_NEAR(free, space, 0.05 * space + 64 * kMiB);
}

}  // namespace
}  // namespace lighterd::imagestore
