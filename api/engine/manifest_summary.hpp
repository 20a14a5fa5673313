// SPDX-License-Identifier: Apache-2.0
// The platforms of an image, present or not, as `Manifests` shows them (engine-api.md section 6.1), and what images
// share. Both read documents from the store: only for who asks.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "imagestore/content_store.hpp"
#include "imagestore/image_store.hpp"

namespace lighterd::api {

// A JSON array, in the order of the index; of an image without index it has one element.
std::string manifest_summaries_json(imagestore::ContentStore& content, imagestore::ImageStore& images,
                                    const imagestore::ImageRecord& image);

// By image: bytes of present manifests, configs and layers that another image of `all` has as well. An image that is
// removed meanwhile is passed over.
std::map<oci::Digest, std::int64_t> shared_sizes(imagestore::ContentStore& content, imagestore::ImageStore& images,
                                                 const std::vector<imagestore::ImageRecord>& all);

}  // namespace lighterd::api
