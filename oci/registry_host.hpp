// SPDX-License-Identifier: Apache-2.0
// Registries as people write them in front of a repository: a domain, a URL, one of Docker Hub's names
// (registry-protocol.md A14).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oci/reference.hpp"

namespace lighterd::oci {

inline constexpr std::string_view kHubDomain = "docker.io";

// docker.io and its other names, in lower case.
bool is_hub_host(std::string_view host);

// "host[:port]" of an address: without scheme and path, in lower case, "docker.io" for all of Hub's names. Not checked.
std::string normalize_registry_host(std::string_view address);

enum class UrlScheme { kHttps, kHttp };

struct RepositoryUrl {
  UrlScheme scheme;
  std::string authority;  // not checked; without the scheme's own port
  std::string path;       // "/repository[:tag|@digest]"
};

// "https://host[:port]/repository[:tag|@digest]" or the same with http, also with the one slash that is left of two
// where paths are cleaned; nothing for another text. kInvalidArgument without a repository.
std::optional<RepositoryUrl> find_repository_url(const std::string& text);

// Such a URL or a reference, on docker.io whatever name of Hub is written. A host of a single word gets the scheme's
// port: it would be taken for a path on Hub. Without a default tag. kInvalidArgument as parse_reference.
Reference parse_written_name(const std::string& text);

}  // namespace lighterd::oci
