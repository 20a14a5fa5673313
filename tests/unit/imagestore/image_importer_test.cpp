// SPDX-License-Identifier: Apache-2.0
#include "imagestore/image_importer.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "base/error.hpp"
#include "imagestore/tar_writer.hpp"
#include "tests/support/test_store.hpp"
#include "tests/support/text_sink.hpp"
#include "tests/support/text_source.hpp"

namespace lighterd::imagestore {
namespace {

using base::Error;
using base::ErrorCode;

std::string make_tar(std::string_view content) {
  tests::TextSink sink;
  TarWriter tar(sink);
  tar.add_file("file", 0644, content);
  tar.finish();
  return sink.text;
}

// Fails when that many bytes were read.
class FailingSource final : public base::Source {
 public:
  FailingSource(std::string text, std::function<void()> at_end) : text_(std::move(text)), at_end_(std::move(at_end)) {}
  std::size_t read(std::span<std::byte> buffer) override {
    const std::size_t count = text_.read(buffer);
    if (count == 0) at_end_();
    return count;
  }

 private:
  tests::TextSource text_;
  std::function<void()> at_end_;
};

class ImageImporterTest : public ::testing::Test {
 protected:
  oci::Digest import(base::Source& source, const std::string& name = "imported:1", std::stop_token stop = {}) {
    return import_image(
        store_.content(), store_.images(), source,
        {.name = oci::parse_reference(name),
         .platform = {.architecture = "arm64", .os = "linux", .os_version = {}, .os_features = {}, .variant = {}},
         .comment = "text"},
        stop);
  }

  tests::TestStore store_;
};

TEST_F(ImageImporterTest, TheSameTarIsTheSameLayerHoweverItComes) {
  const std::string tar = make_tar(tests::make_content(900'000));
  tests::TextSource whole(tar);
  tests::TextSource pieces(tar, 777);
  const oci::Digest first = import(whole);
  const oci::Digest second = import(pieces, "imported:2");
  const auto variants = store_.images().list_variants(first);
  ASSERT_EQ(variants.size(), 1U);
  EXPECT_EQ(variants[0].platform.architecture, "arm64");
  const auto layer_of = [&](const oci::Digest& image) {
    const auto bytes = store_.content().read_blob(image, oci::kMaxManifestBytes);
    return std::get<oci::Manifest>(oci::parse_document(bytes, oci::media_type::kOciManifest, "test")).layers.at(0);
  };
  EXPECT_EQ(layer_of(first), layer_of(second));
  const auto blob = store_.content().find_blob(layer_of(first).digest);
  ASSERT_TRUE(blob && blob->layer);
  EXPECT_EQ(blob->layer->diff_id, oci::digest_of(base::as_bytes(tar)));
  EXPECT_EQ(blob->layer->uncompressed_bytes, static_cast<std::int64_t>(tar.size()));
}

TEST_F(ImageImporterTest, WhatFailsLeavesNothing) {
  const std::string tar = make_tar(tests::make_content(900'000));
  std::stop_source stop;
  FailingSource broken(tar, [] { throw Error(ErrorCode::kDeadlineExceeded, "no data"); });
  FailingSource stopped(tar.substr(0, 500'000), [&] { stop.request_stop(); });
  tests::TextSource cut(tar.substr(0, 500'000));
  for (auto& [source, code] : std::vector<std::pair<base::Source*, ErrorCode>>{
           {&broken, ErrorCode::kDeadlineExceeded}, {&stopped, ErrorCode::kDataLoss}, {&cut, ErrorCode::kDataLoss}}) {
    try {
      import(*source, "imported:1");
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.text();
    }
  }
  EXPECT_TRUE(stop.stop_requested());
  tests::TextSource good(tar);
  try {
    import(good, "imported:1", stop.get_token());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  EXPECT_EQ(store_.files(), std::vector<std::string>());
  EXPECT_TRUE(std::filesystem::is_empty(store_.root() / "ingest"));
  EXPECT_EQ(store_.images().count_images(), 0);
}

}  // namespace
}  // namespace lighterd::imagestore
