// SPDX-License-Identifier: Apache-2.0
// From what a registry answered to what is missing, for whoever looks into it (registry-protocol.md A14).
#pragma once

#include <string>

#include "distribution/remote_error.hpp"
#include "oci/reference.hpp"

namespace lighterd::distribution {

// What a request was about.
struct RemoteQuestion {
  const oci::RepositoryName& repository;
  Missing what;       // kRepository, kTag, kImage or kBlob
  std::string thing;  // the tag, the ID or the digest
  TagChoice tag_choice = TagChoice::kNamed;
};

// Inside the handler of what the request threw. RemoteError where the thing, the repository or the registry is not
// there (also where a registry hides it from who may not see it) and for a challenge without realm; a token server's
// refusal is "permission denied to access realm <url>: ...", one that does not answer a RemoteError; other refusals,
// and what is neither a refusal nor of the transport, as they are.
[[noreturn]] void rethrow_for_remote(const RemoteQuestion& question);

// "https://registry.example.com": how texts name a registry.
std::string registry_url(const oci::RepositoryName& repository);

}  // namespace lighterd::distribution
