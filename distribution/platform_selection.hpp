// SPDX-License-Identifier: Apache-2.0
// Which manifests of an image a pull fetches: those of the platforms chosen, and what their indexes have to say about
// them.
#pragma once

#include <vector>

#include "distribution/document_fetch.hpp"
#include "distribution/platform_choice.hpp"

namespace lighterd::distribution {

struct SelectedManifests {
  // Indexes on the way, from the target on, and images; each once. Owned by the DocumentFetch.
  std::vector<imagestore::ParsedManifest*> indexes;
  std::vector<imagestore::ParsedManifest*> images;
  // Entries about the images, and with all platforms whatever else there is: not loaded, and not missed by the image.
  std::vector<oci::Descriptor> extras;
};

// kNotFound if several platforms are wanted of an image that has no index.
void require_single_platform(const PlatformChoice& choice);

// One image for each platform chosen, matched loosely (Only); an image without index is taken whatever its platform,
// unless several are wanted. PlatformMissing; kInvalidArgument for what is nested too deeply or in itself, and for more
// than 16 attestations of one image; throws as DocumentFetch::load.
SelectedManifests select_manifests(DocumentFetch& documents, const oci::Descriptor& target,
                                   const PlatformChoice& choice, const oci::Platform& host);

}  // namespace lighterd::distribution
