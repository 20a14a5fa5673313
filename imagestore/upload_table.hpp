// SPDX-License-Identifier: Apache-2.0
// Rows of upload sessions. Each function runs inside the caller's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "imagestore/sqlite.hpp"
#include "oci/digest.hpp"

namespace lighterd::imagestore::upload_table {

struct UploadRow {
  std::string repository;
  oci::DigestAlgorithm algorithm;
};

std::optional<UploadRow> find(Database& database, const std::string& id);
void insert(Database& database, const std::string& id, const UploadRow& row, base::Timestamp now);
void remove(Database& database, const std::string& id);
// Started before then: the first `limit` whose ID sorts behind `after`.
std::vector<std::string> list(Database& database, base::Timestamp before, const std::string& after, std::int64_t limit);

}  // namespace lighterd::imagestore::upload_table
