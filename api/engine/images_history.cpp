// SPDX-License-Identifier: Apache-2.0
#include "api/engine/endpoints.hpp"
#include "api/engine/image_json.hpp"
#include "api/engine/image_variant.hpp"
#include "api/engine/parameters.hpp"
#include "api/engine/stored_content.hpp"

namespace lighterd::api {

void images_history(EngineCall& call) {
  call.subject = call.name();
  std::optional<oci::Platform> platform;
  if (call.version.is_at_least(48)) platform = find_json_platform(call.parameters, "platform");
  imagestore::ImageStore& images = call.services.images;
  const imagestore::ImageRecord image = images.get_image(call.name());
  const auto variant =
      platform
          ? std::optional(get_variant(images, image, oci::PlatformMatcher::only(*platform), *platform, call.name()))
          : find_shown_variant(images, image);
  if (!variant) return send_json(call, 200, "[]");
  const oci::ImageConfig config = read_config(call.services.content, variant->config);
  const oci::Manifest manifest = read_manifest(call.services.content, variant->descriptor);
  send_json(call, 200, history_json(image, config, manifest.layers));
}

}  // namespace lighterd::api
