// SPDX-License-Identifier: Apache-2.0
// Names of remote images as people have them: references, and what they copy from a browser's address line
// (registry-protocol.md A14).
#pragma once

#include <string>

#include "distribution/registry_client.hpp"
#include "oci/reference.hpp"

namespace lighterd::distribution {

// A reference, or "https://host[:port]/repository[:tag|@digest]", also with the one slash that is left of two where
// paths are cleaned. Whatever name of Docker Hub is written, docker.io is meant; a port that is the scheme's own is
// dropped. Without a default tag. kInvalidArgument as oci::parse_reference, and for http:// with a host that may not
// be spoken to so (looks up names: blocks).
oci::Reference parse_remote_name(const std::string& text, const RegistryOptions& options);

}  // namespace lighterd::distribution
