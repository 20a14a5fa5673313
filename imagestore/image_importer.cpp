// SPDX-License-Identifier: Apache-2.0
#include "imagestore/image_importer.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"
#include "base/json.hpp"
#include "imagestore/decompression.hpp"
#include "imagestore/gzip_compressor.hpp"
#include "imagestore/tar_reader.hpp"

namespace lighterd::imagestore {
namespace {

using base::Error;
using base::ErrorCode;
using base::Json;

constexpr std::size_t kBlockBytes = std::size_t{256} * 1024;
constexpr std::string_view kGzipLayer = "application/vnd.oci.image.layer.v1.tar+gzip";
constexpr std::string_view kZstdLayer = "application/vnd.oci.image.layer.v1.tar+zstd";

// A blob whose digest is known when it ends.
class DigestedFile final : public base::Sink {
 public:
  explicit DigestedFile(ContentStore& content) : file_(content.start_file()), hasher_(oci::DigestAlgorithm::kSha256) {}

  void write(base::Bytes data) override {
    file_->write(data);
    hasher_.update(data);
  }

  NewBlob finish(std::optional<LayerContent> layer = {}) {
    const std::int64_t size_bytes = file_->size_bytes();
    return {{hasher_.finish(), size_bytes, std::move(layer)}, std::move(file_)};
  }

 private:
  std::unique_ptr<SpoolFile> file_;
  oci::DigestHasher hasher_;
};

// The bytes as they come; what is kept in this form goes into the file as it passes.
class RawRootfs final : public base::Source {
 public:
  RawRootfs(base::Source& source, DigestedFile& file, const std::stop_token& stop)
      : source_(source), file_(file), stop_(stop) {
    while (head_.size() < kMagicBytes) {
      std::array<std::byte, kMagicBytes> buffer;
      const std::size_t count = source_.read(std::span(buffer).first(kMagicBytes - head_.size()));
      if (count == 0) break;
      head_ += base::as_text(base::Bytes(buffer).first(count));
    }
    compression_ = compression_of(head_);
  }

  bool is_kept() const { return compression_ == Compression::kGzip || compression_ == Compression::kZstd; }
  std::string_view media_type() const { return compression_ == Compression::kZstd ? kZstdLayer : kGzipLayer; }

  std::size_t read(std::span<std::byte> buffer) override {
    if (stop_.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
    const std::size_t count = head_.empty() ? source_.read(buffer) : take_head(buffer);
    if (is_kept()) file_.write(buffer.first(count));
    return count;
  }

 private:
  std::size_t take_head(std::span<std::byte> buffer) {
    const std::size_t count = std::min(head_.size(), buffer.size());
    std::ranges::copy(base::as_bytes(head_).first(count), buffer.begin());
    head_.erase(0, count);
    return count;
  }

  base::Source& source_;
  DigestedFile& file_;
  const std::stop_token& stop_;
  std::string head_;  // read, and not given yet
  Compression compression_ = Compression::kNone;
};

// The tar; what is not kept as it came is compressed as it passes.
class PlainRootfs final : public base::Source {
 public:
  PlainRootfs(RawRootfs& raw, DigestedFile& file)
      : source_(raw), hasher_(oci::DigestAlgorithm::kSha256), block_(kBlockBytes) {
    if (!raw.is_kept()) compressor_.emplace(file);
  }

  std::size_t read(std::span<std::byte> buffer) override {
    if (unread_.empty()) fill();
    const std::size_t count = std::min(buffer.size(), unread_.size());
    std::copy_n(unread_.begin(), count, buffer.begin());
    unread_ = unread_.subspan(count);
    return count;
  }

  // After the last byte was read.
  LayerContent finish() {
    if (compressor_) compressor_->finish();
    return {hasher_.finish(), bytes_};
  }

 private:
  void fill() {
    unread_ = base::Bytes(block_).first(source_.read(block_));
    bytes_ += static_cast<std::int64_t>(unread_.size());
    // Of what is compressed the source has seen to it.
    if (bytes_ > DecompressionLimits().max_uncompressed_bytes)
      throw Error(ErrorCode::kDataLoss, "the file system is too large");
    hasher_.update(unread_);
    if (compressor_) compressor_->write(unread_);
  }

  DecompressingSource source_;
  oci::DigestHasher hasher_;
  std::optional<GzipCompressor> compressor_;
  std::vector<std::byte> block_;
  base::Bytes unread_;
  std::int64_t bytes_ = 0;
};

void drain(base::Source& source) {
  std::vector<std::byte> scratch(kBlockBytes);
  while (source.read(scratch) > 0) continue;
}

// Refuses what is no tar. Other than in a load, nobody here goes by its entries: what the reader declines to list, such
// as sparse files, is none of an import's business.
void check_tar(base::Source& tar) {
  TarReader reader(tar);
  try {
    while (reader.next()) continue;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotImplemented && error.code() != ErrorCode::kInvalidArgument) throw;
  }
  drain(tar);
}

struct ImportedLayer {
  NewBlob blob;
  oci::Descriptor descriptor;
};

ImportedLayer take_layer(ContentStore& content, base::Source& rootfs, const std::stop_token& stop) {
  DigestedFile file(content);
  RawRootfs raw(rootfs, file, stop);
  PlainRootfs plain(raw, file);
  check_tar(plain);
  NewBlob blob = file.finish(plain.finish());
  oci::Descriptor descriptor{
      .media_type = std::string(raw.media_type()), .digest = blob.info.digest, .size_bytes = blob.info.size_bytes};
  return {std::move(blob), std::move(descriptor)};
}

std::string config_text(const ImportRequest& request, const oci::DiffID& diff_id) {
  const std::string created = base::format_rfc3339(base::now());
  Json config = oci::to_json(request.platform);
  config["created"] = created;
  config["config"] = base::parse_json(request.config_json, "config");
  config["rootfs"] = {{"type", "layers"}, {"diff_ids", Json::array({diff_id.to_string()})}};
  config["history"] = Json::array({Json{{"created", created}, {"comment", request.comment}}});
  return base::to_text(config);
}

std::string manifest_text(const oci::Descriptor& config, const oci::Descriptor& layer) {
  const Json manifest = {{"schemaVersion", 2},
                         {"mediaType", oci::media_type::kOciManifest},
                         {"config", oci::to_json(config)},
                         {"layers", Json::array({oci::to_json(layer)})}};
  return base::to_text(manifest);
}

oci::Descriptor add_document(ContentStore& content, std::string_view media_type, const std::string& text,
                             std::vector<NewBlob>& blobs) {
  DigestedFile file(content);
  file.write(base::as_bytes(text));
  blobs.push_back(file.finish());
  const BlobInfo& info = blobs.back().info;
  return {.media_type = std::string(media_type), .digest = info.digest, .size_bytes = info.size_bytes};
}

}  // namespace

oci::Digest import_image(ContentStore& content, ImageStore& images, base::Source& rootfs, const ImportRequest& request,
                         const std::stop_token& stop) {
  ImportedLayer layer = take_layer(content, rootfs, stop);
  const std::string config_bytes = config_text(request, layer.blob.info.layer->diff_id);
  std::vector<NewBlob> blobs;
  blobs.push_back(std::move(layer.blob));
  const oci::Descriptor config = add_document(content, oci::media_type::kOciConfig, config_bytes, blobs);
  const std::string manifest_bytes = manifest_text(config, layer.descriptor);
  const oci::Descriptor manifest = add_document(content, oci::media_type::kOciManifest, manifest_bytes, blobs);
  oci::Document document = oci::parse_document(manifest_bytes, manifest.media_type, manifest.digest.to_string());
  Publication publication{.target = manifest, .name = request.name};
  publication.manifests.push_back({manifest, std::move(document), oci::parse_image_config(config_bytes)});
  if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
  images.publish({publication}, std::move(blobs));
  return manifest.digest;
}

}  // namespace lighterd::imagestore
