// SPDX-License-Identifier: Apache-2.0
// Rows of documents and of what they point to. Each function runs inside the caller's transaction.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "imagestore/image_store.hpp"

namespace lighterd::imagestore::manifest_table {

enum class Face { kDocker, kRegistry };

// For which face it comes: what was only pushed to a repository is no platform of an image. A document that is known
// already learns its config, if that was not here before.
void insert(Database& database, const ParsedManifest& manifest, Face face);
std::vector<ImageVariant> list_variants(Database& database, const oci::Digest& image);
std::vector<ManifestEntry> list_entries(Database& database, const oci::Digest& image);
// What every index that names it names as an attestation of this manifest.
std::vector<oci::Digest> list_attestations(Database& database, const oci::Digest& manifest);
// By image: bytes of present content below it that another image has as well; without those that share nothing.
std::map<oci::Digest, std::int64_t> shared_bytes(Database& database);

}  // namespace lighterd::imagestore::manifest_table
