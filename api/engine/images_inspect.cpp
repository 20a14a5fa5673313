// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "api/engine/endpoints.hpp"
#include "api/engine/image_identity.hpp"
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

// The platform's blobs, and the index that leads to it.
std::int64_t packed_size(const EngineServices& services, const imagestore::ImageRecord& image,
                         const oci::Digest& manifest) {
  std::int64_t bytes = manifest == image.target.digest ? 0 : image.target.size_bytes;
  const auto entries = services.images.list_entries(image.target.digest);
  const auto entry = std::ranges::find(entries, manifest, &imagestore::ManifestEntry::digest);
  if (entry != entries.end()) bytes += entry->content_bytes;
  return bytes;
}

void show_platform(const EngineCall& call, const oci::Platform& platform, InspectedImage& inspected) {
  const ImageVariant variant = get_variant(call.services.images, inspected.image,
                                           oci::PlatformMatcher::only_strict(platform), platform, call.name());
  inspected.descriptor = variant.descriptor;
  if (!inspected.descriptor.platform) inspected.descriptor.platform = variant.platform;
  inspected.config = read_config(call.services.content, variant.config);
  inspected.size_bytes = packed_size(call.services, inspected.image, variant.descriptor.digest);
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
                           .identity_json = {},
                           .manifests_json = {}};
  if (platform) {
    show_platform(call, *platform, inspected);
  } else {
    show_image(call, inspected);
  }
  if (manifests)
    append_manifest_summaries(inspected.manifests_json,
                              call.services.images.list_entries(inspected.image.target.digest));
  if (call.version.is_at_least(53))
    inspected.identity_json = identity_json(call.services.content, inspected.image, inspected.image.target.digest);
  send_json(call, 200, inspect_json(inspected, call.version));
}

}  // namespace lighterd::api
