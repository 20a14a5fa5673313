// SPDX-License-Identifier: Apache-2.0
#include "distribution/schema1_pull.hpp"

#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "distribution/remote_error.hpp"
#include "imagestore/docker_layer_type.hpp"
#include "oci/docker_archive.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;
using imagestore::BlobInfo;
using imagestore::BlobKind;

namespace {

oci::Descriptor layer_descriptor(std::string_view media_type, const oci::Digest& digest, std::int64_t size_bytes) {
  return {.media_type = std::string(media_type), .digest = digest, .size_bytes = size_bytes};
}

}  // namespace

std::vector<oci::Descriptor> list_schema1_layers(DistributionServices& services, RegistryClient& client,
                                                 const oci::Schema1Manifest& manifest, std::stop_token stop) {
  std::unordered_map<oci::Digest, std::int64_t> sizes;
  const auto size_of = [&](const oci::Digest& digest) {
    if (const auto known = services.content.find_blob(digest)) return known->size_bytes;
    const auto size = client.find_blob_size(digest, stop);
    if (!size) throw blob_not_found(client.repository().familiar(), digest.to_string());
    return *size;
  };
  std::vector<oci::Descriptor> layers;
  for (const oci::Digest& digest : manifest.layers()) {
    auto size = sizes.find(digest);
    if (size == sizes.end()) size = sizes.emplace(digest, size_of(digest)).first;
    layers.push_back(layer_descriptor(oci::media_type::kDockerLayerGzip, digest, size->second));
  }
  return layers;
}

Schema1Pull::Schema1Pull(DistributionServices& services, std::shared_ptr<RegistryClient> client,
                         const imagestore::Lease& lease, const oci::Schema1Manifest& manifest)
    : services_(services), client_(std::move(client)), lease_(lease), manifest_(manifest) {}

LayerFetch::Layers Schema1Pull::get_layers() {
  LayerFetch::Layers layers;
  for (const oci::Digest& digest : manifest_.layers())
    layers.emplace(digest, services_.content.find_blob(digest, lease_).value());
  return layers;
}

LayerFetch::Layers Schema1Pull::fetch_layers(ProgressSink& progress, std::stop_token stop) {
  LayerFetch fetch(services_, client_, lease_, progress);
  for (const oci::Descriptor& layer : list_schema1_layers(services_, *client_, manifest_, stop))
    fetch.add(layer, BlobKind::kLayer, LayerFetch::Part::kImage);
  return fetch.run(stop);
}

oci::Descriptor Schema1Pull::convert(const LayerFetch::Layers& layers) {
  std::vector<oci::DiffID> diff_ids;
  std::vector<oci::Descriptor> descriptors;
  for (const oci::Digest& digest : manifest_.layers()) {
    const BlobInfo& layer = layers.at(digest);
    diff_ids.push_back(layer.layer.value().diff_id);
    const auto compression = imagestore::stored_compression(services_.content, digest);
    descriptors.push_back(layer_descriptor(imagestore::docker_layer_type(compression), digest, layer.size_bytes));
  }
  const std::string config = oci::make_schema1_config(manifest_, diff_ids);
  if (config.size() > oci::kMaxConfigBytes)
    throw Error(ErrorCode::kInvalidArgument,
                "the image's config has more than " + std::to_string(oci::kMaxConfigBytes) + " bytes");
  const oci::Descriptor config_descriptor = keep(oci::media_type::kDockerConfig, config);
  return keep(oci::media_type::kDockerManifest, oci::make_docker_manifest(config_descriptor, descriptors));
}

oci::Descriptor Schema1Pull::keep(std::string_view media_type, const std::string& bytes) {
  oci::Descriptor descriptor{.media_type = std::string(media_type),
                             .digest = oci::digest_of(base::as_bytes(bytes)),
                             .size_bytes = static_cast<std::int64_t>(bytes.size())};
  if (!services_.content.find_blob(descriptor.digest, lease_)) services_.content.put_blob(descriptor, bytes, lease_);
  return descriptor;
}

}  // namespace lighterd::distribution
