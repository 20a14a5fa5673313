// SPDX-License-Identifier: Apache-2.0
// The images of an archive: reads its documents and verifies what they name. The two layouts, each in a file of its
// own.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "imagestore/archive_content.hpp"
#include "imagestore/image_store.hpp"
#include "oci/platform.hpp"

namespace lighterd::imagestore {

// Which platforms of an image are wanted; none means all.
class WantedPlatforms {
 public:
  explicit WantedPlatforms(const std::vector<oci::Platform>& platforms);
  bool is_all() const { return matchers_.empty(); }
  bool matches(const oci::Platform& platform) const;
  const std::string& text() const { return text_; }  // as Go prints a list: "[linux/amd64 linux/arm64]"

 private:
  std::vector<oci::PlatformMatcher> matchers_;
  std::string text_;
};

// Asked before each document and layer: documents stay in memory until all is published, and an archive may name
// many thousands of them.
class ReadingLimits {
 public:
  ReadingLimits(std::size_t max_bytes, const std::stop_token& stop) : max_bytes_(max_bytes), stop_(stop) {}
  // kCancelled on stop.
  void check_stop() const;
  // The same, and kInvalidArgument if all of them are too large together.
  void add_document(std::size_t bytes);

 private:
  const std::size_t max_bytes_;
  const std::stop_token& stop_;
  std::size_t bytes_ = 0;
};

// Every image of the archive with each of its names, and its content kept; throws for whatever is wrong with any, as
// ImageLoader::load says.
std::vector<Publication> read_layout_images(ArchiveMembers& members, ArchiveContent& content,
                                            const WantedPlatforms& wanted, ReadingLimits& limits);
std::vector<Publication> read_docker_images(ArchiveMembers& members, ArchiveContent& content,
                                            const WantedPlatforms& wanted, ContentStore& store, const Lease& lease,
                                            ReadingLimits& limits);

// What both say of an image.
void check_layer_count(std::size_t layers, const oci::ImageConfig& config);
void check_diff_id(std::size_t position, const oci::DiffID& expected, const BlobInfo& layer);
// What of it is published, and nothing else.
oci::ImageConfig published_part(oci::ImageConfig config);
[[noreturn]] void throw_platform_missing(const std::string& image, const WantedPlatforms& wanted);

}  // namespace lighterd::imagestore
