// SPDX-License-Identifier: Apache-2.0
#include "imagestore/image_importer.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"
#include "base/json.hpp"
#include "imagestore/layer_recompression.hpp"
#include "imagestore/tar_reader.hpp"

namespace lighterd::imagestore {
namespace {

using base::Error;
using base::ErrorCode;
using base::Json;

constexpr std::string_view kGzipLayer = "application/vnd.oci.image.layer.v1.tar+gzip";
constexpr std::string_view kZstdLayer = "application/vnd.oci.image.layer.v1.tar+zstd";

// The bytes as they come; what is kept in this form goes into the file as it passes.
class RawRootfs final : public base::Source {
 public:
  RawRootfs(base::Source& source, DigestedFile& file, const std::stop_token& stop)
      : source_(source), file_(file), stop_(stop) {}

  bool is_kept() const {
    return source_.compression() == Compression::kGzip || source_.compression() == Compression::kZstd;
  }
  std::string_view media_type() const { return source_.compression() == Compression::kZstd ? kZstdLayer : kGzipLayer; }

  std::size_t read(std::span<std::byte> buffer) override {
    if (stop_.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
    const std::size_t count = source_.read(buffer);
    if (is_kept()) file_.write(buffer.first(count));
    return count;
  }

 private:
  PeekedSource source_;
  DigestedFile& file_;
  const std::stop_token& stop_;
};

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
  PlainLayer plain(raw, raw.is_kept() ? nullptr : &file);
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
