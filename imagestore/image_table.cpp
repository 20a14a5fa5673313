// SPDX-License-Identifier: Apache-2.0
#include "imagestore/image_table.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.hpp"
#include "base/json.hpp"

namespace lighterd::imagestore::image_table {
namespace {

std::int64_t nanoseconds(base::Timestamp time) {
  return time.time_since_epoch().count();
}

base::Timestamp timestamp(std::int64_t nanoseconds_since_epoch) {
  return base::Timestamp(std::chrono::nanoseconds(nanoseconds_since_epoch));
}

oci::Descriptor parse_descriptor(const std::string& json) {
  return oci::descriptor_from_json(base::parse_json(json, "stored descriptor"));
}

std::string_view kind_of(const oci::Document& document) {
  if (std::holds_alternative<oci::Index>(document)) return "index";
  return std::get<oci::Manifest>(document).is_image() ? "image" : "artifact";
}

void insert_link(Database& database, const std::string& parent, std::string_view role, std::size_t position,
                 const oci::Descriptor& child) {
  Query(database,
        "INSERT INTO link(parent, role, position, child, descriptor) VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")
      .bind(parent)
      .bind(role)
      .bind(static_cast<std::int64_t>(position))
      .bind(child.digest.to_string())
      .bind(base::to_text(oci::to_json(child)))
      .run();
}

void insert_links(Database& database, const std::string& parent, const oci::Document& document) {
  if (const auto* index = std::get_if<oci::Index>(&document)) {
    for (std::size_t i = 0; i < index->manifests.size(); ++i)
      insert_link(database, parent, "manifest", i, index->manifests[i]);
    return;
  }
  const auto& manifest = std::get<oci::Manifest>(document);
  insert_link(database, parent, "config", 0, manifest.config);
  for (std::size_t i = 0; i < manifest.layers.size(); ++i)
    insert_link(database, parent, "layer", i, manifest.layers[i]);
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

constexpr std::string_view kImageColumns =
    "SELECT digest, media_type, size, manifest, created_at, labels, content_size, tagged_at FROM image ";

// A document below an image, with the descriptor that its index has for it.
struct TreeNode {
  std::string digest;
  std::optional<std::string> descriptor;
};

std::vector<TreeNode> manifest_links(Database& database, const std::string& parent) {
  std::vector<TreeNode> children;
  Query query(database, "SELECT child, descriptor FROM link WHERE parent=?1 AND role='manifest' ORDER BY position");
  query.bind(parent);
  while (query.step()) children.push_back({query.text(0), query.text(1)});
  return children;
}

std::optional<ImageVariant> find_variant(Database& database, const TreeNode& node) {
  Query query(
      database,
      "SELECT manifest.media_type, manifest.platform, blob.size, config.child FROM manifest JOIN blob USING(digest)"
      " JOIN link AS config ON config.parent=manifest.digest AND config.role='config'"
      " WHERE manifest.digest=?1 AND manifest.kind='image'");
  query.bind(node.digest);
  if (!query.step()) return std::nullopt;
  const oci::Digest digest = oci::parse_digest(node.digest);
  oci::Descriptor descriptor{.media_type = query.text(0), .digest = digest, .size_bytes = query.integer(2)};
  if (node.descriptor) descriptor = parse_descriptor(*node.descriptor);
  oci::Platform platform;
  if (const auto json = query.find_text(1))
    platform = oci::platform_from_json(base::parse_json(*json, "stored platform"));
  const oci::Digest config = oci::parse_digest(query.text(3));
  return ImageVariant{std::move(descriptor), std::move(platform), config};
}

// Each document once, however often the indexes above it name it: there may be a thousand entries on every level.
void collect_variants(Database& database, const TreeNode& node, int depth, std::set<std::string>& seen,
                      std::vector<ImageVariant>& variants) {
  if (depth > oci::kMaxIndexDepth + 1 || !seen.insert(node.digest).second) return;
  if (auto variant = find_variant(database, node)) variants.push_back(*std::move(variant));
  for (const TreeNode& child : manifest_links(database, node.digest))
    collect_variants(database, child, depth + 1, seen, variants);
}

ImageRecord read_image(const Query& query) {
  const oci::Digest digest = oci::parse_digest(query.text(0));
  oci::Descriptor target{.media_type = query.text(1), .digest = digest, .size_bytes = query.integer(2)};
  ImageRecord record{.target = std::move(target)};
  if (const auto manifest = query.find_text(3)) record.manifest = oci::parse_digest(*manifest);
  if (const auto created = query.find_integer(4)) record.created = timestamp(*created);
  record.labels_json = query.is_null(5) ? "{}" : query.text(5);
  record.content_bytes = query.integer(6);
  if (const auto tagged = query.find_integer(7)) record.tagged_at = timestamp(*tagged);
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

}  // namespace

void insert_manifest(Database& database, const ParsedManifest& manifest) {
  const std::string digest = manifest.descriptor.digest.to_string();
  std::optional<std::string> platform;
  std::optional<std::int64_t> created_at;
  std::optional<std::string> labels;
  if (manifest.config) {
    platform = base::to_text(oci::to_json(manifest.config->platform));
    if (manifest.config->created) created_at = nanoseconds(*manifest.config->created);
    if (!manifest.config->labels.empty()) labels = base::to_text(base::Json(manifest.config->labels));
  }
  Query(database,
        "INSERT INTO manifest(digest, media_type, kind, platform, created_at, labels) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"
        " ON CONFLICT DO NOTHING")
      .bind(digest)
      .bind(oci::media_type_of(manifest.document))
      .bind(kind_of(manifest.document))
      .bind(platform)
      .bind(created_at)
      .bind(labels)
      .run();
  insert_links(database, digest, manifest.document);
}

void upsert_image(Database& database, const oci::Descriptor& target, const oci::PlatformMatcher& host,
                  base::Timestamp now) {
  const auto variants = list_variants(database, target.digest);
  const ImageVariant* shown = preferred(variants, host);
  std::optional<std::string> manifest;
  ConfigSummary summary;
  if (shown != nullptr) {
    manifest = shown->descriptor.digest.to_string();
    summary = summary_of(database, shown->descriptor.digest);
  }
  Query(database,
        "INSERT INTO image(digest, media_type, size, manifest, created_at, labels, content_size, added_at)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET manifest=excluded.manifest,"
        " created_at=excluded.created_at, labels=excluded.labels, content_size=excluded.content_size")
      .bind(target.digest.to_string())
      .bind(target.media_type)
      .bind(target.size_bytes)
      .bind(manifest)
      .bind(summary.created_at)
      .bind(summary.labels)
      .bind(content_bytes(database, target.digest))
      .bind(nanoseconds(now))
      .run();
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
        "INSERT INTO tag(repository, tag, image) VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET image=excluded.image")
      .bind(name.repository().to_string())
      .bind(*name.tag())
      .bind(digest)
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

std::vector<ImageRecord> list(Database& database) {
  std::vector<ImageRecord> records;
  std::map<std::string, std::size_t, std::less<>> position;
  {
    Query query(database, std::string(kImageColumns) + "ORDER BY coalesce(created_at, 0) DESC, digest");
    while (query.step()) {
      position.emplace(query.text(0), records.size());
      records.push_back(read_image(query));
    }
  }
  Query tags(database, "SELECT repository, tag, image FROM tag ORDER BY repository, tag");
  while (tags.step())
    records[position.at(tags.text(2))].tags.emplace_back(oci::parse_repository_name(tags.text(0)), tags.text(1));
  Query references(database, "SELECT repository, image FROM digest_reference ORDER BY repository");
  while (references.step())
    records[position.at(references.text(1))].digest_references.push_back(
        oci::parse_repository_name(references.text(0)));
  return records;
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

std::vector<ImageVariant> list_variants(Database& database, const oci::Digest& image) {
  std::vector<ImageVariant> variants;
  std::set<std::string> seen;
  collect_variants(database, {image.to_string(), std::nullopt}, 0, seen, variants);
  return variants;
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
  return images;
}

}  // namespace lighterd::imagestore::image_table
