// SPDX-License-Identifier: Apache-2.0
#include "imagestore/upload_table.hpp"

namespace lighterd::imagestore::upload_table {

std::optional<UploadRow> find(Database& database, const std::string& id) {
  Query query(database, "SELECT repository, algorithm FROM upload WHERE id=?1");
  query.bind(id);
  if (!query.step()) return std::nullopt;
  const auto algorithm = query.text(1) == to_string(oci::DigestAlgorithm::kSha512) ? oci::DigestAlgorithm::kSha512
                                                                                   : oci::DigestAlgorithm::kSha256;
  return UploadRow{query.text(0), algorithm};
}

void insert(Database& database, const std::string& id, const UploadRow& row, base::Timestamp now) {
  Query(database, "INSERT INTO upload(id, repository, algorithm, created_at) VALUES(?1, ?2, ?3, ?4)")
      .bind(id)
      .bind(row.repository)
      .bind(to_string(row.algorithm))
      .bind(std::int64_t{now.time_since_epoch().count()})
      .run();
}

void remove(Database& database, const std::string& id) {
  Query(database, "DELETE FROM upload WHERE id=?1").bind(id).run();
}

std::vector<std::string> list(Database& database, base::Timestamp before, const std::string& after,
                              std::int64_t limit) {
  std::vector<std::string> ids;
  Query query(database, "SELECT id FROM upload WHERE id>?1 AND created_at<?2 ORDER BY id LIMIT ?3");
  query.bind(after).bind(std::int64_t{before.time_since_epoch().count()}).bind(limit);
  while (query.step()) ids.push_back(query.text(0));
  return ids;
}

}  // namespace lighterd::imagestore::upload_table
