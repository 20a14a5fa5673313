// SPDX-License-Identifier: Apache-2.0
#include "oci/docker_archive.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/json_keys.hpp"
#include "oci/manifest.hpp"

namespace lighterd::oci {
namespace {

using base::Error;
using base::ErrorCode;
using base::Json;

DockerArchiveImage read_image(const Json& object) {
  refuse_case_variants(object, {"Config", "RepoTags", "Layers", "Parent", "LayerSources"});
  DockerArchiveImage image{.config = base::get_string(object, "Config"),
                           .repo_tags = base::find_string_array(object, "RepoTags"),
                           .layers = base::find_string_array(object, "Layers")};
  if (image.layers.size() > kMaxLayers)
    throw Error(ErrorCode::kInvalidArgument, "more than " + std::to_string(kMaxLayers) + " layers");
  return image;
}

// In the order in which Go prints a struct, which nlohmann's objects do not keep.
std::string descriptor_text(const Descriptor& descriptor) {
  return "{\"mediaType\":" + base::to_text(Json(descriptor.media_type)) + ",\"digest\":\"" +
         descriptor.digest.to_string() + "\",\"size\":" + std::to_string(descriptor.size_bytes) + "}";
}

}  // namespace

std::vector<DockerArchiveImage> parse_docker_archive(std::string_view bytes) {
  const Json root = base::parse_json(bytes, "manifest.json", {.max_bytes = kMaxArchiveDocumentBytes, .max_depth = 16});
  if (root.is_null())
    throw Error(ErrorCode::kInvalidArgument, "invalid manifest, manifest cannot be null (but can be [])");
  if (!root.is_array()) throw Error(ErrorCode::kInvalidArgument, "invalid manifest, manifest.json is not an array");
  if (root.size() > kMaxArchiveImages)
    throw Error(ErrorCode::kInvalidArgument, "archive has more than " + std::to_string(kMaxArchiveImages) + " images");
  std::vector<DockerArchiveImage> images;
  try {
    for (const Json& element : root) images.push_back(read_image(element));
  } catch (Error& error) {
    error.add_context("invalid manifest, manifest.json");
    throw;
  }
  return images;
}

std::string make_docker_manifest(const Descriptor& config, const std::vector<Descriptor>& layers) {
  std::string text = "{\"schemaVersion\":2,\"mediaType\":\"" + std::string(media_type::kDockerManifest) +
                     "\",\"config\":" + descriptor_text(config) + ",\"layers\":[";
  for (std::size_t i = 0; i < layers.size(); ++i) text += (i == 0 ? "" : ",") + descriptor_text(layers[i]);
  return text + "]}";
}

}  // namespace lighterd::oci
