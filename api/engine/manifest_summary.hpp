// SPDX-License-Identifier: Apache-2.0
// The manifests of an image, present or not, as `Manifests` shows them (engine-api.md section 6.1), and what images
// share.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "imagestore/image_store.hpp"

namespace lighterd::api {

// The Identity of a platform's manifest as JSON; empty if nothing is known.
using FindIdentity = std::function<std::string(const oci::Digest& manifest)>;

// Appends a JSON array in the order of the entries. Without find_identity there is no Identity in it.
void append_manifest_summaries(std::string& out, const std::vector<imagestore::ManifestEntry>& entries,
                               const FindIdentity& find_identity = {});

// By image: bytes of present content that another image has as well.
std::map<oci::Digest, std::int64_t> shared_sizes(imagestore::ImageStore& images,
                                                 const std::vector<imagestore::ImageRecord>& all);

}  // namespace lighterd::api
