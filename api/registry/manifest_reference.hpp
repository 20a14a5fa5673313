// SPDX-License-Identifier: Apache-2.0
// The last segment of a manifest's path: a tag or a digest.
#pragma once

#include <string>
#include <variant>

#include "oci/digest.hpp"

namespace lighterd::api::registry {

using ManifestReference = std::variant<std::string, oci::Digest>;

// What has a colon is a digest. 400 DIGEST_INVALID or TAG_INVALID (RegistryFault).
ManifestReference parse_manifest_reference(const std::string& text);

}  // namespace lighterd::api::registry
