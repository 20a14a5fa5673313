// SPDX-License-Identifier: Apache-2.0
#include "imagestore/blob_table.hpp"

namespace lighterd::imagestore::blob_table {
namespace {

std::int64_t nanoseconds(base::Timestamp time) {
  return time.time_since_epoch().count();
}

bool is_image(Database& database, const std::string& digest) {
  return Query(database, "SELECT 1 FROM image WHERE digest=?1").bind(digest).step();
}

bool is_leased(Database& database, const std::string& digest) {
  return Query(database, "SELECT 1 FROM lease_blob WHERE digest=?1").bind(digest).step();
}

bool is_in_repository(Database& database, const std::string& digest) {
  return Query(database,
               "SELECT 1 WHERE EXISTS(SELECT 1 FROM repository_blob WHERE digest=?1)"
               " OR EXISTS(SELECT 1 FROM repository_manifest WHERE digest=?1)")
      .bind(digest)
      .step();
}

// Not counting what `parent` points to.
bool is_referenced(Database& database, const std::string& digest, const std::string& parent = {}) {
  return is_image(database, digest) || is_leased(database, digest) || is_in_repository(database, digest) ||
         Query(database, "SELECT 1 FROM link WHERE child=?1 AND parent<>?2").bind(digest).bind(parent).step();
}

// Its size; nothing if it was not there.
std::optional<std::int64_t> remove_row(Database& database, const std::string& digest) {
  Query row(database, "DELETE FROM blob WHERE digest=?1 RETURNING size");
  row.bind(digest);
  if (!row.step()) return std::nullopt;
  const std::int64_t size_bytes = row.integer(0);
  row.run();
  return size_bytes;
}

constexpr std::string_view kIsUnreferenced =
    "NOT EXISTS(SELECT 1 FROM repository_blob WHERE repository_blob.digest=blob.digest)"
    " AND NOT EXISTS(SELECT 1 FROM repository_manifest WHERE repository_manifest.digest=blob.digest)"
    " AND NOT EXISTS(SELECT 1 FROM image WHERE image.digest=blob.digest)"
    " AND NOT EXISTS(SELECT 1 FROM link WHERE child=blob.digest)"
    " AND NOT EXISTS(SELECT 1 FROM lease_blob WHERE lease_blob.digest=blob.digest)";

std::vector<std::string> children(Database& database, const std::string& parent) {
  std::vector<std::string> result;
  Query query(database, "SELECT child FROM link WHERE parent=?1");
  query.bind(parent);
  while (query.step()) result.push_back(query.text(0));
  return result;
}

}  // namespace

std::optional<BlobInfo> find(Database& database, const oci::Digest& digest) {
  Query query(database,
              "SELECT size, diff_id, uncompressed_size FROM blob LEFT JOIN layer USING(digest) WHERE digest=?1");
  query.bind(digest.to_string());
  if (!query.step()) return std::nullopt;
  BlobInfo info{digest, query.integer(0), std::nullopt};
  if (const auto diff_id = query.find_text(1)) info.layer = LayerContent{oci::parse_digest(*diff_id), query.integer(2)};
  return info;
}

void insert(Database& database, const BlobInfo& blob, base::Timestamp now) {
  const std::string digest = blob.digest.to_string();
  Query(database, "INSERT INTO blob(digest, size, added_at) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING")
      .bind(digest)
      .bind(blob.size_bytes)
      .bind(nanoseconds(now))
      .run();
  if (!blob.layer) return;
  Query(database, "INSERT INTO layer(digest, diff_id, uncompressed_size) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING")
      .bind(digest)
      .bind(blob.layer->diff_id.to_string())
      .bind(blob.layer->uncompressed_bytes)
      .run();
}

std::vector<oci::Digest> list(Database& database) {
  std::vector<oci::Digest> result;
  Query query(database, "SELECT digest FROM blob");
  while (query.step()) result.push_back(oci::parse_digest(query.text(0)));
  return result;
}

std::vector<oci::Digest> list_layers(Database& database, const oci::DiffID& diff_id) {
  std::vector<oci::Digest> result;
  Query query(database, "SELECT digest FROM layer WHERE diff_id=?1 ORDER BY digest LIMIT 100");
  query.bind(diff_id.to_string());
  while (query.step()) result.push_back(oci::parse_digest(query.text(0)));
  return result;
}

std::vector<oci::Digest> list_unreferenced(Database& database, base::Timestamp before, const std::string& after,
                                           std::int64_t limit) {
  std::vector<oci::Digest> result;
  Query query(database, "SELECT digest FROM blob WHERE digest>?2 AND added_at<?1 AND " + std::string(kIsUnreferenced) +
                            " ORDER BY digest LIMIT ?3");
  query.bind(nanoseconds(before)).bind(after).bind(limit);
  while (query.step()) result.push_back(oci::parse_digest(query.text(0)));
  return result;
}

std::int64_t total_bytes(Database& database) {
  Query query(database, "SELECT coalesce(sum(size), 0) FROM blob");
  query.step();
  return query.integer(0);
}

std::int64_t unreferenced_bytes(Database& database) {
  Query query(database, "SELECT coalesce(sum(size), 0) FROM blob WHERE " + std::string(kIsUnreferenced));
  query.step();
  return query.integer(0);
}

void add_source(Database& database, const oci::Digest& digest, const BlobSource& source, base::Timestamp now) {
  Query(database,
        "INSERT INTO blob_source(digest, registry, repository, seen_at) SELECT ?1, ?2, ?3, ?4"
        " WHERE EXISTS(SELECT 1 FROM blob WHERE digest=?1)"
        " ON CONFLICT DO UPDATE SET seen_at=excluded.seen_at")
      .bind(digest.to_string())
      .bind(source.registry)
      .bind(source.repository)
      .bind(nanoseconds(now))
      .run();
}

std::vector<std::string> list_sources(Database& database, const oci::Digest& digest, const std::string& registry) {
  std::vector<std::string> result;
  Query query(database,
              "SELECT repository FROM blob_source WHERE digest=?1 AND registry=?2 ORDER BY seen_at DESC LIMIT 50");
  query.bind(digest.to_string()).bind(registry);
  while (query.step()) result.push_back(query.text(0));
  return result;
}

std::vector<BlobSource> list_sources(Database& database, const oci::Digest& digest) {
  std::vector<BlobSource> result;
  Query query(database, "SELECT registry, repository FROM blob_source WHERE digest=?1 ORDER BY seen_at DESC LIMIT 50");
  query.bind(digest.to_string());
  while (query.step()) result.push_back({query.text(0), query.text(1)});
  return result;
}

void insert_lease(Database& database, const std::string& id, const std::string& operation, base::Timestamp now) {
  Query(database, "INSERT INTO lease(id, operation, created_at) VALUES(?1, ?2, ?3)")
      .bind(id)
      .bind(operation)
      .bind(nanoseconds(now))
      .run();
}

void remove_lease(Database& database, const std::string& id) {
  Query(database, "DELETE FROM lease WHERE id=?1").bind(id).run();
}

void lease(Database& database, const std::string& id, const oci::Digest& digest) {
  Query(database, "INSERT INTO lease_blob(lease, digest) VALUES(?1, ?2) ON CONFLICT DO NOTHING")
      .bind(id)
      .bind(digest.to_string())
      .run();
}

std::vector<oci::Digest> remove_unreferenced(Database& database, const oci::Digest& root, std::int64_t& freed_bytes) {
  std::vector<oci::Digest> removed;
  std::vector<std::string> pending = {root.to_string()};
  while (!pending.empty()) {
    const std::string digest = std::move(pending.back());
    pending.pop_back();
    if (is_referenced(database, digest)) continue;
    for (std::string& child : children(database, digest)) pending.push_back(std::move(child));
    const auto size_bytes = remove_row(database, digest);
    if (!size_bytes) continue;
    freed_bytes += *size_bytes;
    removed.push_back(oci::parse_digest(digest));
  }
  return removed;
}

bool has_content(Database& database, const oci::Digest& manifest) {
  return Query(database, "SELECT 1 FROM manifest WHERE digest=?1 AND missing=0 AND is_published")
      .bind(manifest.to_string())
      .step();
}

void remove_content(Database& database, const oci::Digest& manifest, std::vector<oci::Digest>& removed) {
  const std::string digest = manifest.to_string();
  Query(database, "UPDATE manifest SET is_published=0 WHERE digest=?1").bind(digest).run();
  if (is_in_repository(database, digest)) return;
  const auto remove = [&](const std::string& blob) {
    if (remove_row(database, blob)) removed.push_back(oci::parse_digest(blob));
  };
  for (const std::string& part : children(database, digest))
    if (!is_referenced(database, part, digest)) remove(part);
  if (is_image(database, digest)) return;
  Query(database, "DELETE FROM manifest WHERE digest=?1").bind(digest).run();
  if (!is_leased(database, digest)) remove(digest);
}

}  // namespace lighterd::imagestore::blob_table
