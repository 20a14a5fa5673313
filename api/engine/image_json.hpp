// SPDX-License-Identifier: Apache-2.0
// Docker's shapes of an image by API version (engine-api.md sections 6.1 to 6.3): which members there are, in which
// order, and what is null, empty or left out.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "api/engine/api_version.hpp"
#include "imagestore/image_store.hpp"
#include "oci/image_config.hpp"
#include "oci/manifest.hpp"

namespace lighterd::api {

// With the members in the order of the OCI structures.
nlohmann::ordered_json platform_json(const oci::Platform& platform);
nlohmann::ordered_json descriptor_json(const oci::Descriptor& descriptor);

struct ListItemExtras {
  std::int64_t shared_bytes = -1;  // -1: not asked for
  std::string manifests_json;      // empty: not asked for
  // GET /system/df: no container uses it, in any version, and an image without names has null for them.
  bool is_disk_usage = false;
};
// Appends one element of GET /images/json.
void append_list_item(std::string& out, const imagestore::ImageRecord& image, const ListItemExtras& extras,
                      ApiVersion version);

struct InspectedImage {
  imagestore::ImageRecord image;
  oci::Descriptor descriptor;  // its digest is the Id shown
  oci::ImageConfig config;     // of the platform shown; empty if none is here
  std::int64_t size_bytes = 0;
  std::string identity_json;   // empty: not known
  std::string manifests_json;  // empty: not asked for
};
std::string inspect_json(const InspectedImage& inspected, ApiVersion version);

// Newest first; layer sizes are those of the blobs. kInternal if the history has more layers than the manifest.
std::string history_json(const imagestore::ImageRecord& image, const oci::ImageConfig& config,
                         const std::vector<oci::Descriptor>& layers);

}  // namespace lighterd::api
