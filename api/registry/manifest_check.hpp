// SPDX-License-Identifier: Apache-2.0
// What is asked of a manifest before it is taken, beyond what parsing it asks.
#pragma once

#include <string>
#include <vector>

#include "api/registry/access.hpp"
#include "oci/manifest.hpp"

namespace lighterd::api::registry {

// What has to be in the repository before the manifest is.
struct RequiredContent {
  std::vector<oci::Digest> blobs;
  std::vector<oci::Digest> manifests;
};

// An image's config and layers, but for foreign layers that say where they are. The entries of a Docker list; those of
// an OCI index may come later, or never (sparse).
RequiredContent required_content(const oci::Document& document);

// 400 MANIFEST_INVALID (RegistryFault) with all that is wrong with foreign layers' URLs: not http or https, a fragment.
void check_urls(const oci::Document& document);

// The resource policy (registry-protocol.md B2): nothing without classes. 403 DENIED (RegistryFault).
void check_class(const oci::Document& document, const std::vector<std::string>& classes, const Identity& identity,
                 const std::string& repository);

}  // namespace lighterd::api::registry
