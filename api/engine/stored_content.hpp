// SPDX-License-Identifier: Apache-2.0
// Documents of the store. They were verified and parsed before they got in: one that cannot be read now is the
// daemon's trouble (kInternal), not the client's; one that went away meanwhile is kNotFound.
#pragma once

#include <cstdint>

#include "imagestore/content_store.hpp"
#include "imagestore/image_store.hpp"
#include "oci/image_config.hpp"
#include "oci/manifest.hpp"

namespace lighterd::api {

oci::Document read_document(const imagestore::ContentStore& content, const oci::Descriptor& descriptor);
// Of an image's manifest.
oci::Manifest read_manifest(const imagestore::ContentStore& content, const oci::Descriptor& descriptor);
oci::ImageConfig read_config(const imagestore::ContentStore& content, const oci::Digest& digest);

// What of a platform is here: its manifest, config and layers, each once.
struct VariantContent {
  bool is_complete = true;
  std::int64_t present_bytes = 0;
};
VariantContent measure_variant(imagestore::ContentStore& content, const oci::Descriptor& descriptor,
                               const oci::Manifest& manifest);

}  // namespace lighterd::api
