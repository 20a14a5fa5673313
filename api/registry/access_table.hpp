// SPDX-License-Identifier: Apache-2.0
// What a request to the registry needs to be allowed to do: the whole of it, so that no path goes around it
// (security-reliability A.4/44, registry-protocol.md B2). Pure: who may do it is the AccessController's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/registry/access.hpp"

namespace lighterd::api::registry {

enum class Endpoint {
  kBase,       // /v2/
  kBlob,       // blobs/<digest>
  kManifest,   // manifests/<reference>
  kUploads,    // blobs/uploads/
  kUpload,     // the Location of an upload
  kTags,       // tags/list
  kReferrers,  // referrers/<digest>
  kCatalog,    // /v2/_catalog
};

// Empty: it is enough to be somebody. Nothing: no such request exists, whoever asks (405). `mount_from` is the `from`
// of a mount and counts for kUploads alone.
std::optional<std::vector<Permission>> required_permissions(std::string_view method, Endpoint endpoint,
                                                            const std::string& repository,
                                                            const std::optional<std::string>& mount_from = {});

}  // namespace lighterd::api::registry
