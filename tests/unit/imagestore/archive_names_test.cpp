// SPDX-License-Identifier: Apache-2.0
#include "imagestore/archive_names.hpp"

#include <gtest/gtest.h>

namespace lighterd::imagestore {
namespace {

TEST(ArchiveNamesTest, CleansNames) {
  EXPECT_EQ(find_member_name("a"), "a");
  EXPECT_EQ(find_member_name("./a//b/./c/"), "a/b/c");
  EXPECT_EQ(find_member_name("a/../b"), "b");
  EXPECT_EQ(find_member_name("a/b/../../c"), "c");
  EXPECT_EQ(find_member_name("..."), "...");
  EXPECT_EQ(find_member_name("sha256:abc"), "sha256:abc");
}

TEST(ArchiveNamesTest, RefusesWhatLiesOutside) {
  for (const char* name : {"", ".", "./", "/", "/a", "..", "../a", "a/..", "a/../..", "a/../../b", "./../a"})
    EXPECT_EQ(find_member_name(name), std::nullopt) << name;
}

TEST(ArchiveNamesTest, ResolvesLinksInTheirFolder) {
  EXPECT_EQ(find_link_target("a/layer.tar", "../b.tar"), "b.tar");
  EXPECT_EQ(find_link_target("a/b/layer.tar", "../c/d"), "a/c/d");
  EXPECT_EQ(find_link_target("layer.tar", "b.tar"), "b.tar");
  EXPECT_EQ(find_link_target("a/layer.tar", "../../b"), std::nullopt);
  EXPECT_EQ(find_link_target("a/layer.tar", "/b"), std::nullopt);
}

TEST(ArchiveNamesTest, FindsDigestsInNamesOfBlobs) {
  const std::string hex(64, 'a');
  const auto digest = find_blob_digest("blobs/sha256/" + hex);
  ASSERT_TRUE(digest);
  EXPECT_EQ(digest->to_string(), "sha256:" + hex);
  EXPECT_EQ(blob_member(*digest), "blobs/sha256/" + hex);
  for (const std::string& name : {"blobs/sha256/" + hex + "0", "blobs/sha256/" + hex + "/x", "blob/sha256/" + hex,
                                  "blobs/md5/" + hex, "blobs/sha256/" + std::string(64, 'A'), std::string("blobs/")})
    EXPECT_EQ(find_blob_digest(name), std::nullopt) << name;
}

TEST(ArchiveNamesTest, ShowsProgressUnderTheLayersDigits) {
  EXPECT_EQ(progress_id("0123456789abcdef/layer.tar"), "0123456789ab");
  EXPECT_EQ(progress_id("0123456789abcdef.tar.gz"), "0123456789ab");
  EXPECT_EQ(progress_id("blobs/sha256/0123456789abcdef"), "0123456789ab");
  EXPECT_EQ(progress_id("layer.tar"), "layer");
}

}  // namespace
}  // namespace lighterd::imagestore
