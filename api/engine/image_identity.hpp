// SPDX-License-Identifier: Apache-2.0
// Where an image is known to come from: `Identity` of inspect and list (engine-api.md section 6.2).
#pragma once

#include <string>

#include "imagestore/content_store.hpp"
#include "imagestore/image_store.hpp"

namespace lighterd::api {

// {"Pull":[{"Repository":"docker.io/library/alpine"}]}: those repositories of the image's names that `manifest`, which
// is the image or below it, came from, as dockerd writes them, without the port. Empty if none is known.
std::string identity_json(imagestore::ContentStore& content, const imagestore::ImageRecord& image,
                          const oci::Digest& manifest);

}  // namespace lighterd::api
