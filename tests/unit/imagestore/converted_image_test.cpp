// SPDX-License-Identifier: Apache-2.0
// Images that a registry has by another digest than the store.
#include <gtest/gtest.h>

#include "imagestore/image_store.hpp"
#include "tests/support/test_store.hpp"

namespace lighterd::imagestore {
namespace {

using tests::make_image;
using tests::TestImage;
using tests::TestStore;

class ConvertedImageTest : public testing::Test {
 protected:
  // As a pull by tag, or of a digest, publishes it.
  NameChange publish(const oci::Reference& name, const oci::Digest& source) {
    store_.publish(image_, "");
    return store_.images().publish({.target = image_.manifest, .name = name, .converted_from = source});
  }
  bool finds(const std::string& argument) {
    const auto image = store_.images().find_image(argument);
    return image && image->target.digest == image_.manifest.digest;
  }
  std::string at_source(const std::string& repository) const { return repository + "@" + source_.to_string(); }

  TestStore store_;
  TestImage image_ = make_image();
  oci::Digest source_ = oci::digest_of(base::as_bytes("source"));
  oci::Reference tag_ = oci::parse_reference("example.com/app:1");
};

TEST_F(ConvertedImageTest, IsFoundByWhatItWasMadeOf) {
  publish(tag_, source_);
  for (const std::string& argument : {source_.to_string(), source_.hex(), source_.hex().substr(0, 12),
                                      at_source("example.com/app"), at_source("example.com/app:other")})
    EXPECT_TRUE(finds(argument)) << argument;
  EXPECT_EQ(store_.images().get_image(source_.to_string()).target.digest, image_.manifest.digest);
  EXPECT_FALSE(finds(at_source("example.com/other"))) << "a repository that has not got it";
  EXPECT_FALSE(finds("example.com/app@" + oci::digest_of(base::as_bytes("another")).to_string()));
}

TEST_F(ConvertedImageTest, MayBeMadeOfSeveral) {
  const auto another = oci::digest_of(base::as_bytes("another"));
  EXPECT_EQ(publish(tag_, source_), NameChange::kCreated);
  EXPECT_EQ(publish(tag_, another), NameChange::kUnchanged);
  EXPECT_EQ(publish(tag_, another), NameChange::kUnchanged);
  EXPECT_TRUE(finds(source_.to_string()) && finds(another.to_string()));
}

// A later version may convert otherwise.
TEST_F(ConvertedImageTest, TheLatestCounts) {
  publish(tag_, source_);
  image_ = make_image({.layers = {"other"}});
  EXPECT_EQ(publish(tag_, source_), NameChange::kMoved);
  EXPECT_TRUE(finds(source_.to_string()));
}

TEST_F(ConvertedImageTest, GoesWithTheImage) {
  publish(oci::Reference(tag_.repository(), std::nullopt, image_.manifest.digest), source_);
  EXPECT_TRUE(finds(at_source("example.com/app")));
  const auto removed =
      store_.images().remove({.image = image_.manifest.digest,
                              .names = {oci::Reference(tag_.repository(), std::nullopt, image_.manifest.digest)}});
  EXPECT_TRUE(removed.image_removed);
  EXPECT_FALSE(store_.images().find_image(source_.to_string()));
  EXPECT_TRUE(store_.files().empty());
  store_.publish(image_, "other:1");
  EXPECT_FALSE(store_.images().find_image(source_.to_string())) << "what was known of it went too";
}

TEST_F(ConvertedImageTest, AStoreOfVersion3LearnsOfThem) {
  store_.publish(image_, "example.com/app:1");
  store_.execute("DROP TABLE converted_image; PRAGMA user_version=3;");
  store_.reopen();
  EXPECT_FALSE(finds(source_.to_string()));
  publish(tag_, source_);
  EXPECT_TRUE(finds(source_.to_string()));
  store_.reopen();
  EXPECT_TRUE(finds(at_source("example.com/app")));
}

}  // namespace
}  // namespace lighterd::imagestore
