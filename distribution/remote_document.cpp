// SPDX-License-Identifier: Apache-2.0
#include "distribution/remote_document.hpp"

#include <utility>

namespace lighterd::distribution {
namespace {

RemoteManifest describe_schema1(const oci::Descriptor& descriptor, const oci::Schema1Manifest& manifest) {
  RemoteManifest image{.manifest = descriptor};
  image.config = oci::describe_schema1(manifest);
  for (const oci::Digest& blob : manifest.layers())
    image.layers.push_back(
        {.media_type = std::string(oci::media_type::kDockerLayerGzip), .digest = blob, .size_bytes = -1});
  return image;
}

std::string artifact_type_of(const oci::Manifest& manifest) {
  if (manifest.is_image() || !manifest.artifact_type.empty()) return manifest.artifact_type;
  return manifest.config.media_type;
}

}  // namespace

RemoteDocument parse_remote_document(const FetchedManifest& fetched, Schema1Images schema1_images,
                                     const std::string& reference) {
  const bool is_schema1 = oci::media_type::is_schema1(fetched.descriptor.media_type);
  if (is_schema1 && schema1_images == Schema1Images::kTaken) {
    oci::Schema1Manifest manifest = oci::parse_schema1(fetched.bytes);
    return {fetched.descriptor, std::move(manifest)};
  }
  oci::Document document = oci::parse_document(fetched.bytes, fetched.descriptor.media_type, reference);
  oci::Descriptor descriptor = fetched.descriptor;
  descriptor.media_type = oci::media_type_of(document);
  descriptor.size_bytes = static_cast<std::int64_t>(fetched.bytes.size());
  if (auto* index = std::get_if<oci::Index>(&document)) return {std::move(descriptor), std::move(*index)};
  return {std::move(descriptor), std::get<oci::Manifest>(std::move(document))};
}

RemoteManifest read_remote_manifest(RegistryClient& client, const RemoteDocument& document, std::stop_token stop) {
  if (const auto* schema1 = std::get_if<oci::Schema1Manifest>(&document.content))
    return describe_schema1(document.descriptor, *schema1);
  const auto& manifest = std::get<oci::Manifest>(document.content);
  RemoteManifest image{.manifest = document.descriptor};
  image.config_descriptor = manifest.config;
  image.artifact_type = artifact_type_of(manifest);
  image.layers = manifest.layers;
  if (manifest.is_image())
    image.config = oci::parse_image_config(client.read_blob(manifest.config, oci::kMaxConfigBytes, std::move(stop)));
  return image;
}

}  // namespace lighterd::distribution
