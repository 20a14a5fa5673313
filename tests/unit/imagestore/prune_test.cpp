// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/error.hpp"
#include "imagestore/image_store.hpp"
#include "tests/support/test_store.hpp"

namespace lighterd::imagestore {
namespace {

using tests::descriptor_of;
using tests::make_image;
using tests::TestImage;
using tests::TestStore;

class PruneTest : public ::testing::Test {
 protected:
  std::int64_t prune(const std::function<bool(ImageRecord&)>& selects, const std::stop_token& stop = {}) {
    removed_.clear();
    return store_.images().prune({.selects = selects,
                                  .on_removed =
                                      [&](const Removal& removal, const RemovalResult& result) {
                                        if (result.image_removed) removed_.push_back(removal.image);
                                      }},
                                 stop);
  }
  std::int64_t prune_all() {
    return prune([](ImageRecord&) { return true; });
  }
  std::int64_t bytes_on_disk() const {
    std::int64_t bytes = 0;
    for (const char* folder : {"blobs/sha256", "ingest"})
      for (const auto& entry : std::filesystem::directory_iterator(store_.root() / folder))
        bytes += static_cast<std::int64_t>(entry.file_size());
    return bytes;
  }

  TestStore store_;
  std::vector<oci::Digest> removed_;
};

std::int64_t size_of(const TestImage& image) {
  std::int64_t bytes = image.manifest.size_bytes + image.config.size_bytes;
  for (const auto& [layer, text] : image.layers) bytes += layer.size_bytes;
  return bytes;
}

TEST_F(PruneTest, RemovesWhatIsSelectedAndTellsTheBytesOfTheFiles) {
  const TestImage first = make_image({.layers = {"shared", "first"}});
  const TestImage second = make_image({.layers = {"shared", "second"}});
  store_.publish(first, "a:1");
  store_.publish(second, "b:1");
  const std::int64_t before = bytes_on_disk();
  const std::int64_t freed = prune([&](ImageRecord& image) { return image.target.digest == first.manifest.digest; });
  EXPECT_EQ(removed_, std::vector{first.manifest.digest});
  EXPECT_EQ(freed, before - bytes_on_disk());
  EXPECT_EQ(freed, size_of(first) - std::int64_t{6}) << "the shared layer stays";
  EXPECT_EQ(bytes_on_disk(), size_of(second));
  EXPECT_EQ(prune_all(), size_of(second));
  EXPECT_EQ(bytes_on_disk(), 0);
  EXPECT_EQ(prune_all(), 0);
}

TEST_F(PruneTest, ManyImagesTakeSeveralTransactions) {
  constexpr int kCount = 150;
  for (int i = 0; i < kCount; ++i)
    store_.publish(make_image({.layers = {"layer " + std::to_string(i)}}), "app:" + std::to_string(i));
  const std::int64_t before = bytes_on_disk();
  EXPECT_EQ(prune_all(), before);
  EXPECT_EQ(removed_.size(), static_cast<std::size_t>(kCount));
  EXPECT_EQ(store_.images().count_images(), 0);
}

TEST_F(PruneTest, AnImageThatGetsANameMeanwhileStays) {
  const TestImage image = make_image();
  store_.publish(image, "a:1");
  const std::int64_t freed = prune([&](ImageRecord& seen) {
    store_.images().tag(seen.target.digest, oci::parse_reference("b:2"));
    return true;
  });
  EXPECT_EQ(freed, 0);
  EXPECT_TRUE(removed_.empty());
  EXPECT_TRUE(store_.images().find_image("b:2"));
}

TEST_F(PruneTest, WhatNothingNeedsGoesTooAndIsCounted) {
  {
    const Lease lease = store_.content().make_lease("pull that failed");
    store_.put("application/vnd.oci.image.layer.v1.tar", "left behind", lease);
    const auto blob = descriptor_of("application/vnd.oci.image.layer.v1.tar", tests::make_content(500'000));
    const auto partial = store_.content().open_partial(lease, blob, BlobKind::kLayer, {});
    PartialBlob::Part(*partial, 0).write(base::as_bytes(tests::make_content(300'000)));
    const StoreUsage usage = store_.content().measure_usage();
    EXPECT_EQ(usage.unneeded_bytes(), 0) << "all of it is in use";
    EXPECT_GE(usage.partial_bytes, 300'000);
    EXPECT_EQ(usage.blob_bytes, 11);
  }
  const StoreUsage usage = store_.content().measure_usage();
  EXPECT_EQ(usage.total_bytes(), bytes_on_disk());
  EXPECT_EQ(usage.unneeded_bytes(), bytes_on_disk());
  EXPECT_EQ(prune([](ImageRecord&) { return false; }), usage.unneeded_bytes());
  EXPECT_EQ(bytes_on_disk(), 0);
}

TEST_F(PruneTest, WhatIsLeasedStays) {
  const TestImage image = make_image();
  store_.publish(image, "a:1");
  {
    const Lease lease = store_.content().make_lease("push");
    for (const auto& digest :
         {image.manifest.digest, image.config.digest, image.layers[0].first.digest, image.layers[1].first.digest})
      ASSERT_TRUE(store_.content().find_blob(digest, lease));
    EXPECT_EQ(prune_all(), 0);
    EXPECT_EQ(removed_, std::vector{image.manifest.digest}) << "the image is gone, its content is not";
    EXPECT_EQ(bytes_on_disk(), size_of(image));
  }
  EXPECT_EQ(prune_all(), size_of(image));
}

TEST_F(PruneTest, OneAtATime) {
  store_.publish(make_image(), "a:1");
  prune([&](ImageRecord&) {
    const std::jthread other([&] {
      try {
        store_.images().prune({}, {});
        ADD_FAILURE() << "two at a time";
      } catch (const base::Error& error) {
        EXPECT_EQ(error.code(), base::ErrorCode::kConflict);
        EXPECT_EQ(error.text(), "a prune operation is already running");
      }
    });
    return false;
  });
  EXPECT_EQ(prune_all() > 0, true);
}

TEST_F(PruneTest, StopsBetweenImages) {
  store_.publish(make_image(), "a:1");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(prune([](ImageRecord&) { return true; }, stop.get_token()), base::Error);
  EXPECT_TRUE(store_.images().find_image("a:1"));
}

TEST_F(PruneTest, PublishingAndPruningAtTheSameTimeLoseNothing) {
  constexpr int kThreads = 3;
  constexpr int kRounds = 40;
  std::atomic<int> publishing = kThreads;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) {
        // Every other image is one that the others make as well.
        const TestImage image = make_image({.layers = {"shared", i % 2 == 0 ? "both" : "own " + std::to_string(t)}});
        const Lease lease = store_.content().make_lease("watcher");
        store_.publish(image, "app:" + std::to_string(t));
        for (const auto& [layer, bytes] : image.layers) {
          if (!store_.content().find_blob(layer.digest, lease)) continue;  // pruned before it was leased
          EXPECT_EQ(store_.content().read_blob(layer.digest, 100), bytes);
        }
      }
      --publishing;
    });
  while (publishing > 0) prune_all();
  threads.clear();
  // What is left is whole.
  const auto files = store_.files();
  for (const ImageRecord& image : store_.images().list_images())
    EXPECT_TRUE(std::ranges::find(files, image.target.digest.to_string()) != files.end());
  prune_all();
  EXPECT_EQ(bytes_on_disk(), 0);
}

TEST_F(PruneTest, SharedSizesAreOfBlobsThatAnotherImageHas) {
  const TestImage first = make_image({.layers = {"shared layer", "first", "first"}});
  const TestImage second = make_image({.layers = {"shared layer", "second"}});
  const TestImage third = make_image({.layers = {"third"}});
  store_.publish(first, "a:1");
  EXPECT_TRUE(store_.images().shared_bytes().empty());
  store_.publish(second, "b:1");
  store_.publish(third, "c:1");
  const auto shared = store_.images().shared_bytes();
  EXPECT_EQ(shared, (std::map<oci::Digest, std::int64_t>{{first.manifest.digest, 12}, {second.manifest.digest, 12}}));
}

}  // namespace
}  // namespace lighterd::imagestore
