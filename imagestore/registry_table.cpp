// SPDX-License-Identifier: Apache-2.0
#include "imagestore/registry_table.hpp"

#include <nlohmann/json.hpp>

#include "base/json.hpp"

namespace lighterd::imagestore::registry_table {
namespace {

constexpr std::size_t kMaxPageBytes = std::size_t{3} << 20U;

std::int64_t nanoseconds(base::Timestamp time) {
  return time.time_since_epoch().count();
}

base::Timestamp timestamp(std::int64_t nanoseconds_since_epoch) {
  return base::Timestamp(std::chrono::nanoseconds(nanoseconds_since_epoch));
}

oci::Descriptor parse_descriptor(const std::string& json) {
  return oci::descriptor_from_json(base::parse_json(json, "stored descriptor"));
}

// What the tag points to, unless it is `but`.
void touch_target(Database& database, std::int64_t repository, const std::string& tag, const std::string& but,
                  base::Timestamp now) {
  Query(database,
        "UPDATE repository_manifest SET added_at=?4 WHERE repository=?1 AND digest<>?3"
        " AND digest=(SELECT digest FROM repository_tag WHERE repository=?1 AND tag=?2)")
      .bind(repository)
      .bind(tag)
      .bind(but)
      .bind(nanoseconds(now))
      .run();
}

void mark_waiting(Database& database, std::int64_t repository, const std::string& manifest, base::Timestamp now) {
  Query(database,
        "UPDATE repository_blob SET is_waiting=1, touched_at=?3 WHERE repository=?1"
        " AND digest IN (SELECT child FROM link WHERE parent=?2 AND role<>'manifest')")
      .bind(repository)
      .bind(manifest)
      .bind(nanoseconds(now))
      .run();
}

}  // namespace

std::optional<RepositoryRow> find(Database& database, const std::string& name) {
  Query query(database, "SELECT id, kind, active_at FROM repository WHERE name=?1");
  query.bind(name);
  if (!query.step()) return std::nullopt;
  const auto kind = query.text(1) == "pushed" ? RepositoryKind::kPushed : RepositoryKind::kCached;
  return RepositoryRow{query.integer(0), kind, timestamp(query.integer(2))};
}

std::int64_t insert(Database& database, const std::string& name, RepositoryKind kind, base::Timestamp now) {
  Query query(database, "INSERT INTO repository(name, kind, active_at) VALUES(?1, ?2, ?3) RETURNING id");
  query.bind(name).bind(std::string_view(kind == RepositoryKind::kPushed ? "pushed" : "cached")).bind(nanoseconds(now));
  query.step();
  const std::int64_t id = query.integer(0);
  query.run();
  return id;
}

void set_active(Database& database, std::int64_t repository, base::Timestamp now) {
  Query(database, "UPDATE repository SET active_at=?2 WHERE id=?1").bind(repository).bind(nanoseconds(now)).run();
}

std::optional<ManifestLink> find_manifest(Database& database, std::int64_t repository, const oci::Digest& digest) {
  Query query(database,
              "SELECT media_type, size, repository_manifest.added_at FROM repository_manifest JOIN blob USING(digest)"
              " WHERE repository=?1 AND digest=?2");
  query.bind(repository).bind(digest.to_string());
  if (!query.step()) return std::nullopt;
  oci::Descriptor descriptor{.media_type = query.text(0), .digest = digest, .size_bytes = query.integer(1)};
  return ManifestLink{std::move(descriptor), timestamp(query.integer(2))};
}

bool touch_manifest(Database& database, std::int64_t repository, const oci::Digest& digest, base::Timestamp now) {
  Query(database, "UPDATE repository_manifest SET added_at=?3 WHERE repository=?1 AND digest=?2")
      .bind(repository)
      .bind(digest.to_string())
      .bind(nanoseconds(now))
      .run();
  return database.changes() > 0;
}

void put_manifest(Database& database, std::int64_t repository, const oci::Descriptor& descriptor,
                  const oci::Document& document, base::Timestamp now) {
  std::optional<std::string> subject;
  std::optional<std::string> artifact_type;
  std::optional<std::string> referrer;
  if (const oci::Descriptor* about = oci::find_subject(document)) {
    const oci::Descriptor described = oci::referrer_descriptor(document, descriptor);
    subject = about->digest.to_string();
    artifact_type = described.artifact_type;
    referrer = base::to_text(oci::to_ordered_json(described));
  }
  Query(database,
        "INSERT INTO repository_manifest(repository, digest, media_type, added_at, subject, artifact_type, referrer)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET media_type=excluded.media_type,"
        " added_at=excluded.added_at, subject=excluded.subject, artifact_type=excluded.artifact_type,"
        " referrer=excluded.referrer")
      .bind(repository)
      .bind(descriptor.digest.to_string())
      .bind(descriptor.media_type)
      .bind(nanoseconds(now))
      .bind(subject)
      .bind(artifact_type)
      .bind(referrer)
      .run();
}

bool remove_manifest(Database& database, std::int64_t repository, const oci::Digest& digest, base::Timestamp now) {
  const std::string text = digest.to_string();
  Query(database, "DELETE FROM repository_manifest WHERE repository=?1 AND digest=?2")
      .bind(repository)
      .bind(text)
      .run();
  if (database.changes() == 0) return false;
  mark_waiting(database, repository, text, now);
  return true;
}

std::optional<oci::Descriptor> find_described(Database& database, std::int64_t repository, const oci::Digest& digest) {
  Query query(database,
              "SELECT descriptor FROM link JOIN repository_manifest ON repository_manifest.repository=?1"
              " AND repository_manifest.digest=link.parent WHERE link.child=?2 LIMIT 1");
  query.bind(repository).bind(digest.to_string());
  if (!query.step()) return std::nullopt;
  return parse_descriptor(query.text(0));
}

std::optional<BlobLink> find_blob(Database& database, std::int64_t repository, const oci::Digest& digest) {
  Query query(database, "SELECT touched_at, is_waiting FROM repository_blob WHERE repository=?1 AND digest=?2");
  query.bind(repository).bind(digest.to_string());
  if (!query.step()) return std::nullopt;
  return BlobLink{timestamp(query.integer(0)), query.integer(1) != 0};
}

void link_blob(Database& database, std::int64_t repository, const oci::Digest& digest, base::Timestamp now) {
  Query(database,
        "INSERT INTO repository_blob(repository, digest, touched_at) VALUES(?1, ?2, ?3)"
        " ON CONFLICT DO UPDATE SET touched_at=excluded.touched_at")
      .bind(repository)
      .bind(digest.to_string())
      .bind(nanoseconds(now))
      .run();
}

bool touch_blob(Database& database, std::int64_t repository, const oci::Digest& digest, base::Timestamp now) {
  Query(database, "UPDATE repository_blob SET touched_at=?3 WHERE repository=?1 AND digest=?2")
      .bind(repository)
      .bind(digest.to_string())
      .bind(nanoseconds(now))
      .run();
  return database.changes() > 0;
}

bool unlink_blob(Database& database, std::int64_t repository, const oci::Digest& digest) {
  Query(database, "DELETE FROM repository_blob WHERE repository=?1 AND digest=?2")
      .bind(repository)
      .bind(digest.to_string())
      .run();
  return database.changes() > 0;
}

bool is_blob_needed(Database& database, std::int64_t repository, const oci::Digest& digest) {
  return Query(database,
               "SELECT 1 FROM link JOIN repository_manifest ON repository_manifest.repository=?1"
               " AND repository_manifest.digest=link.parent WHERE link.child=?2 AND link.role<>'manifest' LIMIT 1")
      .bind(repository)
      .bind(digest.to_string())
      .step();
}

void link_content(Database& database, std::int64_t repository, const oci::Digest& manifest, base::Timestamp now) {
  Query(database,
        "INSERT INTO repository_blob(repository, digest, touched_at, is_waiting)"
        " SELECT DISTINCT ?1, blob.digest, ?3, 0 FROM link JOIN blob ON blob.digest=link.child"
        " WHERE link.parent=?2 AND link.role<>'manifest' ON CONFLICT DO UPDATE SET is_waiting=0")
      .bind(repository)
      .bind(manifest.to_string())
      .bind(nanoseconds(now))
      .run();
}

void keep_content(Database& database, std::int64_t repository, const oci::Digest& manifest) {
  Query(database,
        "UPDATE repository_blob SET is_waiting=0 WHERE repository=?1"
        " AND digest IN (SELECT child FROM link WHERE parent=?2 AND role<>'manifest')")
      .bind(repository)
      .bind(manifest.to_string())
      .run();
}

std::vector<oci::Descriptor> list_published(Database& database, const oci::Digest& manifest) {
  std::vector<oci::Descriptor> documents;
  Query query(database,
              "WITH RECURSIVE below(digest) AS (SELECT ?1 UNION SELECT link.child FROM link JOIN below"
              " ON link.parent=below.digest WHERE link.role='manifest')"
              " SELECT digest, media_type, size FROM below JOIN manifest USING(digest) JOIN blob USING(digest)"
              " WHERE is_published");
  query.bind(manifest.to_string());
  while (query.step())
    documents.push_back(
        {.media_type = query.text(1), .digest = oci::parse_digest(query.text(0)), .size_bytes = query.integer(2)});
  return documents;
}

std::optional<TagRecord> find_tag(Database& database, const RepositoryRow& repository, const std::string& tag) {
  Query query(database,
              "SELECT digest, media_type, size, updated_at, asked_at FROM repository_tag"
              " JOIN repository_manifest USING(repository, digest) JOIN blob USING(digest)"
              " WHERE repository=?1 AND tag=?2");
  query.bind(repository.id).bind(tag);
  if (!query.step()) return std::nullopt;
  const oci::Digest digest = oci::parse_digest(query.text(0));
  oci::Descriptor target{.media_type = query.text(1), .digest = digest, .size_bytes = query.integer(2)};
  return TagRecord{std::move(target), timestamp(query.integer(3)), repository.kind, timestamp(query.integer(4))};
}

void set_tag(Database& database, std::int64_t repository, const std::string& tag, const oci::Digest& digest,
             base::Timestamp now) {
  touch_target(database, repository, tag, digest.to_string(), now);
  Query(database,
        "INSERT INTO repository_tag(repository, tag, digest, updated_at) VALUES(?1, ?2, ?3, ?4)"
        " ON CONFLICT DO UPDATE SET digest=excluded.digest, updated_at=excluded.updated_at")
      .bind(repository)
      .bind(tag)
      .bind(digest.to_string())
      .bind(nanoseconds(now))
      .run();
}

bool remove_tag(Database& database, std::int64_t repository, const std::string& tag, base::Timestamp now) {
  touch_target(database, repository, tag, "", now);
  Query(database, "DELETE FROM repository_tag WHERE repository=?1 AND tag=?2").bind(repository).bind(tag).run();
  return database.changes() > 0;
}

bool touch_tag(Database& database, std::int64_t repository, const std::string& tag, base::Timestamp now) {
  Query(database, "UPDATE repository_tag SET asked_at=?3 WHERE repository=?1 AND tag=?2")
      .bind(repository)
      .bind(tag)
      .bind(nanoseconds(now))
      .run();
  return database.changes() > 0;
}

ReferrerPage list_referrers(Database& database, std::int64_t repository, const oci::Digest& subject,
                            const std::string& artifact_type, const PageRequest& page) {
  ReferrerPage result;
  std::size_t bytes = 0;
  Query query(database,
              "SELECT referrer FROM repository_manifest INDEXED BY repository_manifest_by_subject"
              " WHERE repository=?1 AND subject=?2 AND digest>?3"
              " AND (?4='' OR artifact_type=?4) ORDER BY digest LIMIT ?5");
  query.bind(repository).bind(subject.to_string()).bind(page.after).bind(artifact_type);
  query.bind(static_cast<std::int64_t>(page.limit) + 1);
  while (query.step()) {
    const std::string json = query.text(0);
    bytes += json.size();
    result.has_more = result.manifests.size() == page.limit || (!result.manifests.empty() && bytes > kMaxPageBytes);
    if (result.has_more) break;
    result.manifests.push_back(parse_descriptor(json));
  }
  return result;
}

}  // namespace lighterd::imagestore::registry_table
