// SPDX-License-Identifier: Apache-2.0
// The documents of an OCI image layout beside its blobs: oci-layout and index.json.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "oci/descriptor.hpp"
#include "oci/reference.hpp"

namespace lighterd::oci {

// Of oci-layout. kInvalidArgument "unsupported OCI version <version>".
void check_layout_version(std::string_view bytes);

// Of index.json, in its order; an archive without images has none. kInvalidArgument.
std::vector<Descriptor> parse_layout_index(std::string_view bytes);

// What an entry of index.json has that is about another one there, its digest: an attestation beside a lone platform.
inline constexpr const char* kManifestSubject = "io.containerd.manifest.subject";
bool is_about_another(const Descriptor& entry);

// What an entry of index.json is called: io.containerd.image.name, else org.opencontainers.image.ref.name if that has a
// name and a tag; a lone tag such as "latest" names nothing. With a tag, or the digest of the entry. Names that are not
// valid, or that read as an ID, are none.
std::optional<Reference> find_layout_name(const Descriptor& entry);

}  // namespace lighterd::oci
