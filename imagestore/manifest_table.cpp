// SPDX-License-Identifier: Apache-2.0
#include "imagestore/manifest_table.hpp"

#include <nlohmann/json.hpp>
#include <set>

#include "base/json.hpp"

namespace lighterd::imagestore::manifest_table {
namespace {

oci::Descriptor parse_descriptor(const std::string& json) {
  return oci::descriptor_from_json(base::parse_json(json, "stored descriptor"));
}

oci::Platform parse_platform(const std::string& json) {
  return oci::platform_from_json(base::parse_json(json, "stored platform"));
}

template <typename T>
std::string ordered_text(const T& value) {
  return base::to_text(oci::to_ordered_json(value));
}

std::string_view kind_of(const oci::Document& document) {
  if (std::holds_alternative<oci::Index>(document)) return "index";
  const auto& manifest = std::get<oci::Manifest>(document);
  return manifest.is_image() && !manifest.is_pseudo_image() ? "image" : "artifact";
}

std::string to_text(oci::EntryKind kind) {
  switch (kind) {
    case oci::EntryKind::kImage:
      return "image";
    case oci::EntryKind::kIndex:
      return "index";
    case oci::EntryKind::kAttestation:
      return "attestation";
    case oci::EntryKind::kOther:
      return "other";
  }
  return "other";
}

// What the descriptor of an index's entry says; nothing for configs and layers.
struct EntryColumns {
  std::optional<std::string> entry;
  std::optional<std::string> platform;
  std::optional<std::string> described;
};

EntryColumns entry_columns(const oci::Descriptor& entry) {
  EntryColumns columns;
  columns.entry = to_text(oci::entry_kind(entry));
  if (entry.platform) columns.platform = ordered_text(*entry.platform);
  if (auto digest = oci::described_digest(entry); !digest.empty()) columns.described = std::move(digest);
  return columns;
}

void insert_link(Database& database, const std::string& parent, std::string_view role, std::size_t position,
                 const oci::Descriptor& child) {
  const EntryColumns columns = role == "manifest" ? entry_columns(child) : EntryColumns{};
  Query(database,
        "INSERT INTO link(parent, role, position, child, descriptor, entry, platform, described, is_foreign)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING")
      .bind(parent)
      .bind(role)
      .bind(static_cast<std::int64_t>(position))
      .bind(child.digest.to_string())
      .bind(ordered_text(child))
      .bind(columns.entry)
      .bind(columns.platform)
      .bind(columns.described)
      .bind(std::int64_t{role == "layer" && oci::media_type::is_foreign_layer(child.media_type)})
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

// From then on triggers keep account of what comes and goes.
void count_content(Database& database, const std::string& digest) {
  Query(database,
        "WITH part(digest) AS (SELECT DISTINCT child FROM link WHERE parent=?1 AND role<>'manifest')"
        " UPDATE manifest SET content_size=(SELECT size FROM blob WHERE digest=?1)"
        "+(SELECT coalesce(sum(size), 0) FROM part JOIN blob USING(digest)),"
        " missing=(SELECT count(DISTINCT child) FROM link WHERE parent=?1 AND role<>'manifest' AND NOT is_foreign"
        " AND NOT EXISTS(SELECT 1 FROM blob WHERE blob.digest=link.child))"
        " WHERE digest=?1")
      .bind(digest)
      .run();
}

// A document below an image, with the descriptor that its index has for it.
struct TreeNode {
  std::string digest;
  std::optional<std::string> descriptor;
};

std::vector<TreeNode> platform_links(Database& database, const std::string& parent) {
  std::vector<TreeNode> children;
  Query query(database,
              "SELECT child, descriptor FROM link WHERE parent=?1 AND entry IN ('image', 'index') ORDER BY position");
  query.bind(parent);
  while (query.step()) children.push_back({query.text(0), query.text(1)});
  return children;
}

std::optional<ImageVariant> find_variant(Database& database, const TreeNode& node) {
  Query query(
      database,
      "SELECT manifest.media_type, manifest.platform, blob.size, config.child FROM manifest JOIN blob USING(digest)"
      " JOIN link AS config ON config.parent=manifest.digest AND config.role='config'"
      " WHERE manifest.digest=?1 AND manifest.kind='image' AND manifest.missing=0 AND manifest.is_published");
  query.bind(node.digest);
  if (!query.step()) return std::nullopt;
  const oci::Digest digest = oci::parse_digest(node.digest);
  oci::Descriptor descriptor{.media_type = query.text(0), .digest = digest, .size_bytes = query.integer(2)};
  if (node.descriptor) descriptor = parse_descriptor(*node.descriptor);
  oci::Platform platform;
  if (const auto json = query.find_text(1)) platform = parse_platform(*json);
  const oci::Digest config = oci::parse_digest(query.text(3));
  return ImageVariant{std::move(descriptor), std::move(platform), config};
}

// Each document once, however often the indexes above it name it: there may be a thousand entries on every level.
void collect_variants(Database& database, const TreeNode& node, int depth, std::set<std::string>& seen,
                      std::vector<ImageVariant>& variants) {
  if (depth > oci::kMaxIndexDepth + 1 || !seen.insert(node.digest).second) return;
  if (auto variant = find_variant(database, node)) variants.push_back(*std::move(variant));
  for (const TreeNode& child : platform_links(database, node.digest))
    collect_variants(database, child, depth + 1, seen, variants);
}

// ---- Entries

// An entry that may be an image is one if its manifest says so, or while that is not here, if it has a platform.
void set_image_kind(ManifestEntry& entry, const std::string& manifest_kind, std::optional<std::string> own_platform,
                    std::optional<std::string> named_platform) {
  if (manifest_kind == "artifact" || manifest_kind == "index") return;
  auto& platform = own_platform ? own_platform : named_platform;
  if (!platform) return;
  entry.kind = ManifestEntry::Kind::kImage;
  entry.platform_json = *std::move(platform);
}

struct ListedEntry {
  ManifestEntry entry;
  bool stands_for_others;  // an index, here
};

ListedEntry read_entry(const Query& query) {
  ManifestEntry entry{.digest = oci::parse_digest(query.text(0)), .descriptor_json = query.text(1)};
  const std::string named = query.text(2);
  entry.is_complete = !query.is_null(7) && query.integer(7) == 0 && query.integer(10) != 0;
  entry.content_bytes = query.is_null(6) ? query.integer(8) : query.integer(6);
  if (named == "attestation") {
    entry.kind = ManifestEntry::Kind::kAttestation;
    entry.described = query.text(3);
  } else if (named == "image") {
    set_image_kind(entry, query.text(5), query.find_text(9), query.find_text(4));
  }
  return {std::move(entry), named == "index" && !query.is_null(5)};
}

// A nested index stands for its entries, once; one whose platforms were not wanted is not here, and an entry itself.
void collect_entries(Database& database, const std::string& index, int depth, std::set<std::string>& seen,
                     std::vector<ManifestEntry>& entries) {
  if (depth > oci::kMaxIndexDepth || !seen.insert(index).second) return;
  std::vector<ListedEntry> listed;
  {
    Query query(
        database,
        "SELECT link.child, link.descriptor, link.entry, link.described, link.platform, manifest.kind,"
        " manifest.content_size, manifest.missing, blob.size, manifest.platform, manifest.is_published FROM link"
        " LEFT JOIN blob ON blob.digest=link.child LEFT JOIN manifest ON manifest.digest=link.child"
        " WHERE link.parent=?1 AND link.role='manifest' ORDER BY link.position");
    query.bind(index);
    while (query.step()) listed.push_back(read_entry(query));
  }
  for (ListedEntry& each : listed) {
    if (entries.size() >= oci::kMaxDescriptors) return;
    if (each.stands_for_others) {
      collect_entries(database, each.entry.digest.to_string(), depth + 1, seen, entries);
    } else {
      entries.push_back(std::move(each.entry));
    }
  }
}

}  // namespace

void insert(Database& database, const ParsedManifest& manifest, Face face) {
  const std::string digest = manifest.descriptor.digest.to_string();
  std::optional<std::string> platform;
  std::optional<std::int64_t> created_at;
  std::optional<std::string> labels;
  if (manifest.config) {
    platform = ordered_text(manifest.config->platform);
    if (manifest.config->created) created_at = manifest.config->created->time_since_epoch().count();
    if (!manifest.config->labels.empty()) labels = base::to_text(base::Json(manifest.config->labels));
  }
  Query(database,
        "INSERT INTO manifest(digest, media_type, kind, platform, created_at, labels, is_published)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0)"
        " ON CONFLICT DO UPDATE SET platform=excluded.platform, created_at=excluded.created_at, labels=excluded.labels"
        " WHERE manifest.platform IS NULL AND excluded.platform IS NOT NULL")
      .bind(digest)
      .bind(oci::media_type_of(manifest.document))
      .bind(kind_of(manifest.document))
      .bind(platform)
      .bind(created_at)
      .bind(labels)
      .run();
  if (face == Face::kDocker)
    Query(database, "UPDATE manifest SET is_published=1 WHERE digest=?1 AND NOT is_published").bind(digest).run();
  insert_links(database, digest, manifest.document);
  count_content(database, digest);
}

std::vector<ImageVariant> list_variants(Database& database, const oci::Digest& image) {
  std::vector<ImageVariant> variants;
  std::set<std::string> seen;
  collect_variants(database, {image.to_string(), std::nullopt}, 0, seen, variants);
  return variants;
}

std::vector<ManifestEntry> list_entries(Database& database, const oci::Digest& image) {
  std::vector<ManifestEntry> entries;
  Query query(database,
              "SELECT manifest.kind, manifest.platform, manifest.content_size, manifest.missing, manifest.media_type,"
              " blob.size, manifest.is_published FROM manifest JOIN blob USING(digest) WHERE manifest.digest=?1");
  query.bind(image.to_string());
  if (!query.step()) return entries;
  const std::string kind = query.text(0);
  if (kind == "index") {
    std::set<std::string> seen;
    collect_entries(database, image.to_string(), 0, seen, entries);
    return entries;
  }
  // Media types of documents are ours, and need no escapes.
  ManifestEntry entry{.digest = image,
                      .descriptor_json = R"({"mediaType":")" + query.text(4) + R"(","digest":")" + image.to_string() +
                                         R"(","size":)" + std::to_string(query.integer(5)) + "}"};
  entry.is_complete = query.integer(3) == 0 && query.integer(6) != 0;
  entry.content_bytes = query.integer(2);
  set_image_kind(entry, kind, query.find_text(1), std::nullopt);
  entries.push_back(std::move(entry));
  return entries;
}

std::vector<oci::Digest> list_attestations(Database& database, const oci::Digest& manifest) {
  std::vector<oci::Digest> result;
  Query query(
      database,
      "SELECT DISTINCT child FROM link WHERE described=?1 AND entry='attestation' AND NOT EXISTS(SELECT 1 FROM"
      " link AS other WHERE other.child=link.child AND (other.entry<>'attestation' OR other.described IS NOT ?1))");
  query.bind(manifest.to_string());
  while (query.step()) result.push_back(oci::parse_digest(query.text(0)));
  return result;
}

std::map<oci::Digest, std::int64_t> shared_bytes(Database& database) {
  std::map<oci::Digest, std::int64_t> result;
  Query query(database,
              "WITH RECURSIVE part(image, digest) AS (SELECT digest, digest FROM image UNION SELECT part.image,"
              " link.child FROM part JOIN link ON link.parent=part.digest),"
              " shared(digest) AS (SELECT digest FROM part GROUP BY digest HAVING count(*)>1)"
              " SELECT part.image, sum(blob.size) FROM shared JOIN part USING(digest) JOIN blob USING(digest)"
              " GROUP BY part.image");
  while (query.step()) result.emplace(oci::parse_digest(query.text(0)), query.integer(1));
  return result;
}

}  // namespace lighterd::imagestore::manifest_table
