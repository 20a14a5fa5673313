// SPDX-License-Identifier: Apache-2.0
#include "imagestore/retention_table.hpp"

#include "imagestore/registry_table.hpp"

namespace lighterd::imagestore::retention_table {
namespace {

constexpr std::int64_t kBatch = 500;

std::int64_t nanoseconds(base::Timestamp time) {
  return time.time_since_epoch().count();
}

std::vector<std::string> read_texts(Query& query) {
  std::vector<std::string> texts;
  while (query.step()) texts.push_back(query.text(0));
  return texts;
}

}  // namespace

std::vector<std::pair<std::int64_t, std::string>> list_repositories(Database& database, std::int64_t after) {
  std::vector<std::pair<std::int64_t, std::string>> result;
  Query query(database, "SELECT id, name FROM repository WHERE id>?1 ORDER BY id LIMIT ?2");
  query.bind(after).bind(kBatch);
  while (query.step()) result.emplace_back(query.integer(0), query.text(1));
  return result;
}

std::vector<std::string> list_surplus_tags(Database& database, std::int64_t repository, std::size_t keep) {
  Query query(database,
              "SELECT tag FROM repository_tag WHERE repository=?1 ORDER BY updated_at DESC, tag LIMIT ?2 OFFSET ?3");
  query.bind(repository).bind(kBatch).bind(static_cast<std::int64_t>(keep));
  return read_texts(query);
}

std::vector<std::string> list_old_tags(Database& database, std::int64_t repository, base::Timestamp before) {
  Query query(database, "SELECT tag FROM repository_tag WHERE repository=?1 AND max(updated_at, asked_at)<?2 LIMIT ?3");
  query.bind(repository).bind(nanoseconds(before)).bind(kBatch);
  return read_texts(query);
}

std::vector<oci::Digest> list_loose_manifests(Database& database, std::int64_t repository, base::Timestamp before) {
  std::vector<oci::Digest> result;
  Query query(
      database,
      "WITH RECURSIVE staying(digest) AS (SELECT digest FROM repository_tag WHERE repository=?1"
      " UNION SELECT digest FROM repository_manifest WHERE repository=?1 AND added_at>=?2"
      " UNION SELECT link.child FROM link JOIN staying ON link.parent=staying.digest"
      " WHERE link.role='manifest'"
      " UNION SELECT referrer.digest FROM staying JOIN repository_manifest AS referrer"
      " INDEXED BY repository_manifest_by_subject ON referrer.subject=staying.digest WHERE referrer.repository=?1)"
      " SELECT digest FROM repository_manifest WHERE repository=?1 AND added_at<?2"
      " AND digest NOT IN (SELECT digest FROM staying) LIMIT ?3");
  query.bind(repository).bind(nanoseconds(before)).bind(kBatch);
  while (query.step()) result.push_back(oci::parse_digest(query.text(0)));
  return result;
}

LinkBatch remove_waiting_links(Database& database, base::Timestamp before) {
  std::vector<std::pair<std::int64_t, oci::Digest>> links;
  {
    Query query(database, "SELECT repository, digest FROM repository_blob WHERE is_waiting AND touched_at<?1 LIMIT ?2");
    query.bind(nanoseconds(before)).bind(kBatch);
    while (query.step()) links.emplace_back(query.integer(0), oci::parse_digest(query.text(1)));
  }
  LinkBatch batch{.looked_at = links.size()};
  for (const auto& [repository, digest] : links) {
    if (registry_table::is_blob_needed(database, repository, digest)) {
      Query(database, "UPDATE repository_blob SET is_waiting=0 WHERE repository=?1 AND digest=?2")
          .bind(repository)
          .bind(digest.to_string())
          .run();
    } else if (registry_table::unlink_blob(database, repository, digest)) {
      ++batch.removed;
    }
  }
  return batch;
}

std::size_t remove_empty_repositories(Database& database, base::Timestamp before) {
  Query(database,
        "DELETE FROM repository WHERE id IN (SELECT id FROM repository WHERE active_at<?1"
        " AND NOT EXISTS(SELECT 1 FROM repository_blob WHERE repository_blob.repository=repository.id)"
        " AND NOT EXISTS(SELECT 1 FROM repository_manifest WHERE repository_manifest.repository=repository.id)"
        " LIMIT ?2)")
      .bind(nanoseconds(before))
      .bind(kBatch)
      .run();
  return static_cast<std::size_t>(database.changes());
}

}  // namespace lighterd::imagestore::retention_table
