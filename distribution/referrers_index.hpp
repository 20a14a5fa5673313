// SPDX-License-Identifier: Apache-2.0
// What refers to a manifest ("subject"), for registries that do not keep account of it: an index under a tag made of
// the subject's digest (distribution-spec "Referrers Tag Schema", registry-protocol.md A12 5).
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "distribution/registry_session.hpp"

namespace lighterd::distribution {

// "sha256-<64 hex digits>", "sha512-<the first 64>".
std::string referrers_tag(const oci::Digest& subject);

// `index` (empty: a new one) with an entry for the document, everything else as it was; nothing if it has one already.
// kInvalidArgument for what is no index.
std::optional<std::string> with_referrer(const std::string& index, const oci::Descriptor& descriptor,
                                         const std::string& document);

// Reads, adds and puts; a change by somebody else in between is taken up where the registry tells of it. Blocks. Throws
// as RegistrySession::retry.
void add_referrer(RegistrySession& registry, const std::string& repository_path, const oci::Digest& subject,
                  const oci::Descriptor& descriptor, const std::string& document, const std::stop_token& stop);

// What the registry says to refer to the subject: its list of referrers, or where it keeps none the index under the
// tag; the first answer's worth of it. Blocks. Throws as RegistrySession::try_endpoints, and kInvalidArgument for what
// is no index.
std::vector<oci::Descriptor> list_referrers(RegistrySession& registry, const std::string& repository_path,
                                            const oci::Digest& subject, const std::stop_token& stop);

}  // namespace lighterd::distribution
