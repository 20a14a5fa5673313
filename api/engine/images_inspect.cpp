// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "api/engine/endpoints.hpp"
#include "api/engine/image_json.hpp"
#include "api/engine/image_variant.hpp"
#include "api/engine/manifest_summary.hpp"
#include "api/engine/parameters.hpp"
#include "api/engine/stored_content.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;
using imagestore::ImageVariant;

oci::ImageConfig empty_config() {
  oci::ImageConfig config;
  config.runtime_json = "{}";
  return config;
}

// The repositories of the image's names that the image is known to come from.
std::vector<std::string> list_origins(const EngineServices& services, const imagestore::ImageRecord& image) {
  std::vector<std::string> origins;
  for (const oci::RepositoryName& name : image.repositories()) {
    const auto sources = services.content.list_sources(image.target.digest, name.domain());
    if (std::ranges::find(sources, name.path()) != sources.end()) origins.push_back(name.to_string());
  }
  return origins;
}

// The platform's blobs, and the index that leads to it.
std::int64_t packed_size(const EngineServices& services, const imagestore::ImageRecord& image,
                         const oci::Descriptor& manifest) {
  const auto here = measure_variant(services.content, manifest, read_manifest(services.content, manifest));
  return here.present_bytes + (manifest.digest == image.target.digest ? 0 : image.target.size_bytes);
}

void show_platform(const EngineCall& call, const oci::Platform& platform, InspectedImage& inspected) {
  const ImageVariant variant = get_variant(call.services.images, inspected.image,
                                           oci::PlatformMatcher::only_strict(platform), platform, call.name());
  inspected.descriptor = variant.descriptor;
  if (!inspected.descriptor.platform) inspected.descriptor.platform = variant.platform;
  inspected.config = read_config(call.services.content, variant.config);
  inspected.size_bytes = packed_size(call.services, inspected.image, variant.descriptor);
}

void show_image(const EngineCall& call, InspectedImage& inspected) {
  inspected.size_bytes = inspected.image.content_bytes;
  if (const auto variant = find_shown_variant(call.services.images, inspected.image))
    inspected.config = read_config(call.services.content, variant->config);
}

}  // namespace

void images_inspect(EngineCall& call) {
  call.subject = call.name();
  const bool manifests = call.version.is_at_least(48) && get_bool(call.parameters, "manifests");
  std::optional<oci::Platform> platform;
  if (call.version.is_at_least(49)) platform = find_json_platform(call.parameters, "platform");
  if (manifests && platform)
    throw Error(ErrorCode::kInvalidArgument, "conflicting options: manifests and platform options cannot both be set");

  imagestore::ImageRecord image = call.services.images.get_image(call.name());
  oci::Descriptor target = image.target;
  InspectedImage inspected{.image = std::move(image),
                           .descriptor = std::move(target),
                           .config = empty_config(),
                           .pulled_from = {},
                           .manifests_json = {}};
  if (platform) {
    show_platform(call, *platform, inspected);
  } else {
    show_image(call, inspected);
  }
  if (manifests)
    inspected.manifests_json = manifest_summaries_json(call.services.content, call.services.images, inspected.image);
  if (call.version.is_at_least(53)) inspected.pulled_from = list_origins(call.services, inspected.image);
  send_json(call, 200, inspect_json(inspected, call.version));
}

}  // namespace lighterd::api
