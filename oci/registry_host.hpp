// SPDX-License-Identifier: Apache-2.0
// Registries as people write them in front of a repository: a domain, a URL, one of Docker Hub's names
// (registry-protocol.md A14).
#pragma once

#include <string>
#include <string_view>

#include "oci/reference.hpp"

namespace lighterd::oci {

inline constexpr std::string_view kHubDomain = "docker.io";

// docker.io and its other names, in lower case.
bool is_hub_host(std::string_view host);

// "host[:port]" of an address: without scheme and path, in lower case, "docker.io" for all of Hub's names. Not checked.
std::string normalize_registry_host(std::string_view address);

enum class UrlScheme { kNone, kHttps, kHttp };

struct WrittenName {
  Reference reference;    // on docker.io whatever name of Hub is written
  UrlScheme scheme;       // that was written
  std::string authority;  // "host[:port]" behind it, without the scheme's own port; empty without a scheme
};

// A reference, or "https://host[:port]/repository[:tag|@digest]" or the same with http, also with the one slash that is
// left of two where paths are cleaned. A host of a single word gets the scheme's port: it would be taken for a path on
// Hub. Without a default tag. kInvalidArgument as parse_reference.
WrittenName parse_written_name(const std::string& text);

}  // namespace lighterd::oci
