// SPDX-License-Identifier: Apache-2.0
// Documents of the store. They were verified and parsed before they got in: one that cannot be read now is the
// daemon's trouble (kInternal), not the client's; one that went away meanwhile is kNotFound.
#pragma once

#include "imagestore/content_store.hpp"
#include "imagestore/image_store.hpp"
#include "oci/image_config.hpp"
#include "oci/manifest.hpp"

namespace lighterd::api {

oci::Document read_document(const imagestore::ContentStore& content, const oci::Descriptor& descriptor);
// Of an image's manifest.
oci::Manifest read_manifest(const imagestore::ContentStore& content, const oci::Descriptor& descriptor);
oci::ImageConfig read_config(const imagestore::ContentStore& content, const oci::Digest& digest);

}  // namespace lighterd::api
