// SPDX-License-Identifier: Apache-2.0
#include "imagestore/image_loader.hpp"

#include "base/error.hpp"
#include "imagestore/archive_images.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

namespace {

void throw_if_stopped(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
}

// Ends the reading of whatever gives the bytes.
class StoppableSource final : public base::Source {
 public:
  StoppableSource(base::Source& source, const std::stop_token& stop) : source_(source), stop_(stop) {}
  std::size_t read(std::span<std::byte> buffer) override {
    throw_if_stopped(stop_);
    return source_.read(buffer);
  }

 private:
  base::Source& source_;
  const std::stop_token& stop_;
};

std::vector<Publication> read_images(ArchiveMembers& members, ArchiveContent& content, const WantedPlatforms& wanted,
                                     ContentStore& store, const Lease& lease, ReadingLimits& limits) {
  if (members.find("oci-layout") != nullptr) return read_layout_images(members, content, wanted, limits);
  if (members.find("manifest.json") != nullptr)
    return read_docker_images(members, content, wanted, store, lease, limits);
  if (members.find("repositories") != nullptr)
    throw Error(ErrorCode::kInvalidArgument, "invalid archive: does not contain a manifest.json");
  throw Error(ErrorCode::kInvalidArgument, "unrecognized image format");
}

}  // namespace

WantedPlatforms::WantedPlatforms(const std::vector<oci::Platform>& platforms) {
  for (const oci::Platform& platform : platforms) {
    matchers_.push_back(oci::PlatformMatcher::only_strict(platform));
    text_ += (text_.empty() ? "" : " ") + oci::to_string(platform);
  }
  text_ = "[" + text_ + "]";
}

bool WantedPlatforms::matches(const oci::Platform& platform) const {
  if (is_all()) return true;
  for (const auto& matcher : matchers_)
    if (matcher.matches(platform)) return true;
  return false;
}

void ReadingLimits::check_stop() const {
  throw_if_stopped(stop_);
}

void ReadingLimits::add_document(std::size_t bytes) {
  check_stop();
  bytes_ += bytes;
  if (bytes_ > max_bytes_)
    throw Error(ErrorCode::kInvalidArgument,
                "documents of the archive are larger than " + std::to_string(max_bytes_) + " bytes together");
}

oci::ImageConfig published_part(oci::ImageConfig config) {
  oci::ImageConfig part;
  part.platform = std::move(config.platform);
  part.created = config.created;
  part.labels = std::move(config.labels);
  return part;
}

void check_layer_count(std::size_t layers, const oci::ImageConfig& config) {
  if (layers == config.diff_ids.size()) return;
  throw Error(ErrorCode::kDataLoss, "invalid manifest, layers length mismatch: expected " + std::to_string(layers) +
                                        ", got " + std::to_string(config.diff_ids.size()));
}

void check_diff_id(std::size_t position, const oci::DiffID& expected, const BlobInfo& layer) {
  if (layer.layer->diff_id == expected) return;
  throw Error(ErrorCode::kDataLoss, "invalid diffID for layer " + std::to_string(position) + ": expected \"" +
                                        expected.to_string() + "\", got \"" + layer.layer->diff_id.to_string() + "\"");
}

void throw_platform_missing(const std::string& image, const WantedPlatforms& wanted) {
  throw Error(ErrorCode::kNotFound,
              "image " + image + " was loaded, but doesn't provide the requested platform (" + wanted.text() + ")");
}

std::vector<LoadedImage> ImageLoader::load(base::Source& archive, const LoadOptions& options,
                                           const std::stop_token& stop) {
  const Lease lease = content_.make_lease("load");
  ArchiveMembers members(content_, lease, options.on_progress);
  {
    StoppableSource stoppable(archive, stop);
    DecompressingSource uncompressed(stoppable);
    TarReader reader(uncompressed);
    members.read(reader, stop);
  }
  ArchiveContent content(content_, lease, members);
  const WantedPlatforms wanted(options.platforms);
  ReadingLimits limits(options.max_document_bytes, stop);
  const std::vector<Publication> publications = read_images(members, content, wanted, content_, lease, limits);
  const auto results = images_.publish(publications, content.take_new_blobs(stop));
  std::vector<LoadedImage> loaded;
  for (std::size_t i = 0; i < publications.size(); ++i) {
    const Publication& publication = publications[i];
    loaded.push_back({.id = publication.target.digest, .name = publication.name});
    if (results[i].previous != publication.target.digest) loaded.back().replaced = results[i].previous;
  }
  return loaded;
}

}  // namespace lighterd::imagestore
