// SPDX-License-Identifier: Apache-2.0
// Credentials of the user, as docker, podman and skopeo keep them: `auths` of their files. Helper programs are not run.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "base/secret.hpp"

namespace lighterd::cli {

struct AuthFiles {
  std::vector<std::filesystem::path> files;    // the first that has an entry decides; one that is missing has none
  std::optional<std::filesystem::path> named;  // by the user: asked before the others, and must be there
};

struct RegistryAuth {
  base::Secret header;            // of X-Registry-Auth; empty: anonymous
  std::filesystem::path helpers;  // the file that leaves this registry's credentials to a helper; empty: none
};

// For the repository that `name` names, which may be a URL. Keys are "host[:port]" or, with a path,
// "host/namespace": the longest that fits counts; a scheme and "/v1/" or "/v2/" are ignored, and all names of Docker
// Hub are one. Failure kUsage for a file that cannot be read, with nothing of what is in it.
RegistryAuth find_registry_auth(const AuthFiles& files, std::string_view name);

}  // namespace lighterd::cli
