// SPDX-License-Identifier: Apache-2.0
// Which repository of the store a request is about: by its path, by ?ns= (registry-protocol.md A1, "Proxy hint"), and
// by the prefixes that the operator gave to upstreams.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "oci/reference.hpp"

namespace lighterd::imagestore {
class RegistryStore;
}

namespace lighterd::api::registry {

// "hub" -> "docker.io": hub/library/alpine is docker.io/library/alpine. An empty prefix is for every name under which
// nothing was pushed here.
struct UpstreamPrefix {
  std::string prefix;
  std::string host;
};

struct RepositoryTarget {
  std::string name;                                // in the store
  std::optional<oci::RepositoryName> origin = {};  // where it comes from, if its name says so
  // Asked for by our own cache, through a mirror that leads back here.
  bool is_own_request = false;
};

enum class Purpose { kRead, kWrite };

// 400 NAME_INVALID (RegistryFault). `ns` is empty if there was none.
RepositoryTarget resolve_repository(const std::string& path_name, const std::string& ns, Purpose purpose,
                                    const std::vector<UpstreamPrefix>& prefixes, imagestore::RegistryStore& registry);

}  // namespace lighterd::api::registry
