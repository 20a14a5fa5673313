// SPDX-License-Identifier: Apache-2.0
// Names of repositories as a registry's clients write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oci/reference.hpp"

namespace lighterd::imagestore {

// The name under which the Docker face's repository is seen; nothing for an IPv6 host, or where it would be too long.
std::optional<std::string> find_registry_name(const oci::RepositoryName& name);
// The other way round; nothing for a name whose first component is no host ("team/app").
std::optional<oci::RepositoryName> find_docker_name(std::string_view repository);
// registry-protocol.md A1: lower-case components, at most 255 characters.
bool is_valid_repository(std::string_view name);

}  // namespace lighterd::imagestore
