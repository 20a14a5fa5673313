// SPDX-License-Identifier: Apache-2.0
// Which platform of an image inspect and history show.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "imagestore/image_store.hpp"

namespace lighterd::api {

// The one that the store prefers on this host; nothing if no platform of the image is here.
std::optional<imagestore::ImageVariant> find_shown_variant(imagestore::ImageStore& images,
                                                           const imagestore::ImageRecord& image);

// The best match. kNotFound with Docker's text, which names the image as `argument` does.
imagestore::ImageVariant get_variant(imagestore::ImageStore& images, const imagestore::ImageRecord& image,
                                     const oci::PlatformMatcher& matcher, const oci::Platform& wanted,
                                     const std::string& argument);

}  // namespace lighterd::api
