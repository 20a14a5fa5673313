// SPDX-License-Identifier: Apache-2.0
// What of repositories is to go. Each function runs inside the caller's transaction and takes a bounded batch, so that
// it has to be repeated until there is nothing; `repository` is a row's ID.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "imagestore/sqlite.hpp"
#include "oci/digest.hpp"

namespace lighterd::imagestore::retention_table {

// Behind `after`, by ID; with their names.
std::vector<std::pair<std::int64_t, std::string>> list_repositories(Database& database, std::int64_t after);

// Tags beyond the `keep` newest, of the same time the first by name, or neither set nor asked for since `before`.
std::vector<std::string> list_surplus_tags(Database& database, std::int64_t repository, std::size_t keep);
std::vector<std::string> list_old_tags(Database& database, std::int64_t repository, base::Timestamp before);
// Manifests from before then to which nothing leads: no tag, no younger manifest, no index, and no subject that stays.
std::vector<oci::Digest> list_loose_manifests(Database& database, std::int64_t repository, base::Timestamp before);

struct LinkBatch {
  std::size_t looked_at = 0;
  std::size_t removed = 0;
};
// Of links that have waited since before then those go that no manifest of their repository needs; the others wait no
// longer.
LinkBatch remove_waiting_links(Database& database, base::Timestamp before);
// With nothing in them since before then. Returns how many.
std::size_t remove_empty_repositories(Database& database, base::Timestamp before);

}  // namespace lighterd::imagestore::retention_table
