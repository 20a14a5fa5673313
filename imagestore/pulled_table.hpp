// SPDX-License-Identifier: Apache-2.0
// What the Docker face has, as repositories of a registry: names are those of find_registry_name. Visible there is what
// an image of the repository consists of. And lists over repositories of every kind. Each function runs inside the
// caller's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "imagestore/registry_store.hpp"
#include "imagestore/sqlite.hpp"

namespace lighterd::imagestore::pulled_table {

bool has_repository(Database& database, const std::string& name);
std::optional<TagRecord> find_tag(Database& database, const std::string& name, const std::string& tag);
std::optional<oci::Descriptor> find_manifest(Database& database, const std::string& name, const oci::Digest& digest);
bool has_blob(Database& database, const std::string& name, const oci::Digest& digest);
std::optional<oci::Descriptor> find_described(Database& database, const std::string& name, const oci::Digest& digest);

// Of every kind.
NamePage list_repositories(Database& database, const PageRequest& page);
NamePage list_tags(Database& database, const std::string& name, const PageRequest& page);
std::vector<std::string> list_holders(Database& database, const oci::Digest& digest, std::size_t limit);

// Whether a cached or a pulled repository shows it. Of what very many have, only some are looked at: false then.
bool is_copied_blob(Database& database, const oci::Digest& digest);
bool is_copied_manifest(Database& database, const oci::Digest& digest);

}  // namespace lighterd::imagestore::pulled_table
