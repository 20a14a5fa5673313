// SPDX-License-Identifier: Apache-2.0
#include "imagestore/image_table.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "imagestore/manifest_table.hpp"

namespace lighterd::imagestore::image_table {
namespace {

std::int64_t nanoseconds(base::Timestamp time) {
  return time.time_since_epoch().count();
}

base::Timestamp timestamp(std::int64_t nanoseconds_since_epoch) {
  return base::Timestamp(std::chrono::nanoseconds(nanoseconds_since_epoch));
}

// Digests below the image, each once, itself included; bounded by what was inserted.
constexpr std::string_view kClosure =
    "WITH RECURSIVE closure(digest) AS (SELECT ?1 UNION SELECT link.child FROM link JOIN closure ON link.parent="
    "closure.digest) ";

std::int64_t content_bytes(Database& database, const oci::Digest& image) {
  Query query(database, std::string(kClosure) + "SELECT coalesce(sum(size), 0) FROM blob JOIN closure USING(digest)");
  query.bind(image.to_string());
  query.step();
  return query.integer(0);
}

const ImageVariant* preferred(const std::vector<ImageVariant>& variants, const oci::PlatformMatcher& host) {
  const ImageVariant* best = nullptr;
  std::optional<std::size_t> best_rank;
  for (const ImageVariant& variant : variants) {
    const auto rank = host.rank(variant.platform);
    if (best == nullptr || (rank && (!best_rank || *rank < *best_rank))) {
      best = &variant;
      best_rank = rank;
    }
  }
  return best;
}

struct ConfigSummary {
  std::optional<std::int64_t> created_at;
  std::optional<std::string> labels;
};

ConfigSummary summary_of(Database& database, const oci::Digest& manifest) {
  Query query(database, "SELECT created_at, labels FROM manifest WHERE digest=?1");
  query.bind(manifest.to_string());
  if (!query.step()) return {};
  return {query.find_integer(0), query.find_text(1)};
}

// Brings the image row up to what is present.
void refresh_image(Database& database, const oci::Digest& image, const oci::PlatformMatcher& host) {
  const auto variants = manifest_table::list_variants(database, image);
  const ImageVariant* shown = preferred(variants, host);
  std::optional<std::string> manifest;
  ConfigSummary summary;
  if (shown != nullptr) {
    manifest = shown->descriptor.digest.to_string();
    summary = summary_of(database, shown->descriptor.digest);
  }
  Query(database, "UPDATE image SET manifest=?2, created_at=?3, labels=?4, content_size=?5 WHERE digest=?1")
      .bind(image.to_string())
      .bind(manifest)
      .bind(summary.created_at)
      .bind(summary.labels)
      .bind(content_bytes(database, image))
      .run();
}

constexpr std::string_view kImageColumns =
    "SELECT digest, media_type, size, manifest, created_at, labels, content_size, tagged_at, added_at FROM image ";

ImageRecord read_image(const Query& query) {
  const oci::Digest digest = oci::parse_digest(query.text(0));
  oci::Descriptor target{.media_type = query.text(1), .digest = digest, .size_bytes = query.integer(2)};
  ImageRecord record{.target = std::move(target)};
  if (const auto manifest = query.find_text(3)) record.manifest = oci::parse_digest(*manifest);
  if (const auto created = query.find_integer(4)) record.created = timestamp(*created);
  record.labels_json = query.is_null(5) ? "{}" : query.text(5);
  record.content_bytes = query.integer(6);
  if (const auto tagged = query.find_integer(7)) record.tagged_at = timestamp(*tagged);
  record.added_at = timestamp(query.integer(8));
  return record;
}

void read_names(Database& database, ImageRecord& record) {
  const std::string digest = record.target.digest.to_string();
  Query tags(database, "SELECT repository, tag FROM tag WHERE image=?1 ORDER BY repository, tag");
  tags.bind(digest);
  while (tags.step()) record.tags.emplace_back(oci::parse_repository_name(tags.text(0)), tags.text(1));
  Query references(database, "SELECT repository FROM digest_reference WHERE image=?1 ORDER BY repository");
  references.bind(digest);
  while (references.step()) record.digest_references.push_back(oci::parse_repository_name(references.text(0)));
}

// Rows that are sorted by repository have the same one many times.
class RepositoryReader {
 public:
  const oci::RepositoryName& read(std::string text) {
    if (!name_ || text != text_) {
      name_ = oci::parse_repository_name(text);
      text_ = std::move(text);
    }
    return *name_;
  }

 private:
  std::string text_;
  std::optional<oci::RepositoryName> name_;
};

// Of the same time in the order of their digests, in which they are read.
std::vector<ImageRecord> newest_first(std::vector<ImageRecord> records) {
  std::vector<std::pair<base::Timestamp, std::size_t>> order;
  order.reserve(records.size());
  for (std::size_t i = 0; i < records.size(); ++i)
    order.emplace_back(records[i].created.value_or(base::Timestamp()), i);
  std::ranges::sort(
      order, [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  std::vector<ImageRecord> sorted;
  sorted.reserve(records.size());
  for (const auto& [created, position] : order) sorted.push_back(std::move(records[position]));
  return sorted;
}

}  // namespace

void insert_image(Database& database, const oci::Descriptor& target, base::Timestamp now) {
  Query(database,
        "INSERT INTO image(digest, media_type, size, content_size, added_at) VALUES(?1, ?2, ?3, 0, ?4)"
        " ON CONFLICT DO NOTHING")
      .bind(target.digest.to_string())
      .bind(target.media_type)
      .bind(target.size_bytes)
      .bind(nanoseconds(now))
      .run();
}

void refresh_images_with(Database& database, const std::vector<oci::Digest>& documents,
                         const oci::PlatformMatcher& host) {
  std::set<oci::Digest> images;
  for (const oci::Digest& document : documents) {
    Query query(database,
                "WITH RECURSIVE above(digest) AS (SELECT ?1 UNION SELECT link.parent FROM link JOIN above"
                " ON link.child=above.digest WHERE link.role='manifest')"
                " SELECT digest FROM image JOIN above USING(digest)");
    query.bind(document.to_string());
    while (query.step()) images.insert(oci::parse_digest(query.text(0)));
  }
  for (const oci::Digest& image : images) refresh_image(database, image, host);
}

bool remove_image(Database& database, const oci::Digest& image) {
  const std::string digest = image.to_string();
  Query(database, "DELETE FROM tag WHERE image=?1").bind(digest).run();
  Query(database, "DELETE FROM digest_reference WHERE image=?1").bind(digest).run();
  Query(database, "DELETE FROM image WHERE digest=?1").bind(digest).run();
  return database.changes() > 0;
}

NameChange set_tag(Database& database, const oci::Reference& name, const oci::Digest& image, base::Timestamp now) {
  const auto before = find_tag(database, name);
  const std::string digest = image.to_string();
  Query(database,
        "INSERT INTO tag(repository, tag, image, updated_at) VALUES(?1, ?2, ?3, ?4)"
        " ON CONFLICT DO UPDATE SET image=excluded.image, updated_at=excluded.updated_at")
      .bind(name.repository().to_string())
      .bind(*name.tag())
      .bind(digest)
      .bind(nanoseconds(now))
      .run();
  Query(database, "UPDATE image SET tagged_at=?2 WHERE digest=?1").bind(digest).bind(nanoseconds(now)).run();
  if (!before) return NameChange::kCreated;
  return *before == image ? NameChange::kUnchanged : NameChange::kMoved;
}

NameChange add_digest_reference(Database& database, const oci::RepositoryName& repository, const oci::Digest& image) {
  const bool known = has_repository(database, repository, image);
  Query(database, "INSERT INTO digest_reference(repository, image) VALUES(?1, ?2) ON CONFLICT DO NOTHING")
      .bind(repository.to_string())
      .bind(image.to_string())
      .run();
  return known ? NameChange::kUnchanged : NameChange::kCreated;
}

bool remove_name(Database& database, const oci::Digest& image, const oci::Reference& name) {
  if (name.tag()) {
    Query(database, "DELETE FROM tag WHERE repository=?1 AND tag=?2 AND image=?3")
        .bind(name.repository().to_string())
        .bind(*name.tag())
        .bind(image.to_string())
        .run();
  } else {
    Query(database, "DELETE FROM digest_reference WHERE repository=?1 AND image=?2")
        .bind(name.repository().to_string())
        .bind(image.to_string())
        .run();
  }
  return database.changes() > 0;
}

bool has_names(Database& database, const oci::Digest& image) {
  return Query(database,
               "SELECT 1 WHERE EXISTS(SELECT 1 FROM tag WHERE image=?1)"
               " OR EXISTS(SELECT 1 FROM digest_reference WHERE image=?1)")
      .bind(image.to_string())
      .step();
}

void set_converted(Database& database, const oci::Digest& source, const oci::Digest& image) {
  Query(database,
        "INSERT INTO converted_image(source, image) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET image=excluded.image")
      .bind(source.to_string())
      .bind(image.to_string())
      .run();
}

std::optional<oci::Digest> find_converted(Database& database, const oci::Digest& source) {
  Query query(database, "SELECT image FROM converted_image WHERE source=?1");
  query.bind(source.to_string());
  if (!query.step()) return std::nullopt;
  return oci::parse_digest(query.text(0));
}

std::vector<ImageRecord> list(Database& database) {
  std::vector<ImageRecord> records;
  std::unordered_map<std::string, std::size_t> positions;
  {
    // Sorted here: SQLite would copy every column to do it.
    Query query(database, kImageColumns);
    while (query.step()) {
      positions.emplace(query.text(0), records.size());
      records.push_back(read_image(query));
    }
  }
  RepositoryReader repositories;
  Query tags(database, "SELECT repository, tag, image FROM tag ORDER BY repository, tag");
  while (tags.step())
    records[positions.at(tags.text(2))].tags.emplace_back(repositories.read(tags.text(0)), tags.text(1));
  Query references(database, "SELECT repository, image FROM digest_reference ORDER BY repository");
  while (references.step())
    records[positions.at(references.text(1))].digest_references.push_back(repositories.read(references.text(0)));
  return newest_first(std::move(records));
}

std::int64_t count(Database& database) {
  Query query(database, "SELECT count(*) FROM image");
  query.step();
  return query.integer(0);
}

std::optional<ImageRecord> find(Database& database, const oci::Digest& image) {
  Query query(database, std::string(kImageColumns) + "WHERE digest=?1");
  query.bind(image.to_string());
  if (!query.step()) return std::nullopt;
  ImageRecord record = read_image(query);
  read_names(database, record);
  return record;
}

std::optional<oci::Digest> find_tag(Database& database, const oci::Reference& name) {
  Query query(database, "SELECT image FROM tag WHERE repository=?1 AND tag=?2");
  query.bind(name.repository().to_string()).bind(*name.tag());
  if (!query.step()) return std::nullopt;
  return oci::parse_digest(query.text(0));
}

bool has_repository(Database& database, const oci::RepositoryName& repository, const oci::Digest& image) {
  return Query(database,
               "SELECT 1 WHERE EXISTS(SELECT 1 FROM tag WHERE repository=?1 AND image=?2)"
               " OR EXISTS(SELECT 1 FROM digest_reference WHERE repository=?1 AND image=?2)")
      .bind(repository.to_string())
      .bind(image.to_string())
      .step();
}

std::vector<oci::Reference> list_tags(Database& database, const oci::RepositoryName& repository) {
  std::vector<oci::Reference> names;
  Query query(database, "SELECT tag FROM tag WHERE repository=?1 ORDER BY tag");
  query.bind(repository.to_string());
  while (query.step()) names.emplace_back(repository, query.text(0));
  return names;
}

std::vector<oci::Digest> find_images_by_content(Database& database, const std::string& digest_prefix) {
  // Every digest that starts so sorts from the prefix up to the prefix with a character beyond hex digits appended.
  const std::string end = digest_prefix + "g";
  std::vector<oci::Digest> images;
  const auto collect = [&](std::string_view sql) {
    Query query(database, sql);
    query.bind(digest_prefix).bind(end);
    while (images.size() < 2 && query.step()) {
      const auto image = oci::parse_digest(query.text(0));
      if (std::ranges::find(images, image) == images.end()) images.push_back(image);
    }
  };
  collect("SELECT digest FROM image WHERE digest>=?1 AND digest<?2");
  if (!images.empty()) return images;
  collect(
      "WITH RECURSIVE above(digest) AS (SELECT child FROM link WHERE role IN ('manifest', 'config') AND child>=?1 AND"
      " child<?2 UNION SELECT link.parent FROM link JOIN above ON link.child=above.digest)"
      " SELECT image.digest FROM image JOIN above USING(digest)"
      " ORDER BY EXISTS(SELECT 1 FROM tag WHERE tag.image=image.digest) DESC, image.digest");
  if (images.empty()) collect("SELECT image FROM converted_image WHERE source>=?1 AND source<?2");
  return images;
}

}  // namespace lighterd::imagestore::image_table
