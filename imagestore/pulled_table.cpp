// SPDX-License-Identifier: Apache-2.0
#include "imagestore/pulled_table.hpp"

#include <nlohmann/json.hpp>

#include "base/json.hpp"

namespace lighterd::imagestore::pulled_table {
namespace {

// Word for word the expression of the indexes tag_by_registry_name and digest_reference_by_registry_name.
const char* const kName = "replace(lower(repository), ':', '_')";

// Whether an image of the repository ?2 is among the rows above(digest).
std::string in_repository() {
  const std::string name = kName;
  return "EXISTS(SELECT 1 FROM tag WHERE image=above.digest AND " + name +
         "=?2) OR EXISTS(SELECT 1 FROM digest_reference WHERE image=above.digest AND " + name + "=?2)";
}

// Documents from `start` upwards, each once; bounded by what was inserted.
std::string above(const std::string& start) {
  return "WITH RECURSIVE above(digest) AS (" + start +
         " UNION SELECT link.parent FROM link JOIN above ON link.child=above.digest WHERE link.role='manifest') ";
}

// What the Docker face has not taken itself is not shown by its names.
const char* const kParentsOfBlob =
    "SELECT parent FROM link JOIN manifest ON manifest.digest=link.parent"
    " WHERE link.child=?1 AND link.role<>'manifest' AND manifest.is_published";

// The same where it is enough to look at ?3 of them: every artifact of a store may have the same empty config.
const char* const kSomeParentsOfBlob =
    "SELECT parent FROM (SELECT parent FROM link WHERE child=?1 AND role<>'manifest' LIMIT ?3)"
    " JOIN manifest ON manifest.digest=parent WHERE manifest.is_published";
constexpr std::int64_t kMaxLooks = 1000;

// Whether a row of the table, or an image of any name among the rows above(digest), shows a copy of another registry's.
std::string is_copied_in(const std::string& table) {
  return "SELECT 1 WHERE EXISTS(SELECT 1 FROM (SELECT repository FROM " + table +
         " WHERE digest=?1 LIMIT ?2) AS holder JOIN repository ON repository.id=holder.repository"
         " WHERE kind='cached') OR EXISTS(SELECT 1 FROM above WHERE EXISTS(SELECT 1 FROM tag WHERE"
         " image=above.digest) OR EXISTS(SELECT 1 FROM digest_reference WHERE image=above.digest))";
}

// Names that can be asked for.
std::string names_of(const std::string& table, const std::string& condition) {
  const std::string name = kName;
  return "SELECT " + name + " FROM " + table + " WHERE " + condition +
         " AND substr(repository, 1, 1)<>'[' AND length(" + name + ")<=255";
}

NamePage read_page(Query& query, std::size_t limit) {
  NamePage page;
  while (query.step()) {
    page.has_more = page.names.size() == limit;
    if (page.has_more) break;
    page.names.push_back(query.text(0));
  }
  return page;
}

}  // namespace

bool has_repository(Database& database, const std::string& name) {
  const std::string column = kName;
  return Query(database, "SELECT 1 WHERE EXISTS(SELECT 1 FROM tag WHERE " + column +
                             "=?1) OR EXISTS(SELECT 1 FROM digest_reference WHERE " + column + "=?1)")
      .bind(name)
      .step();
}

std::optional<TagRecord> find_tag(Database& database, const std::string& name, const std::string& tag) {
  Query query(database,
              "SELECT image.digest, image.media_type, image.size, updated_at FROM tag JOIN image ON"
              " image.digest=tag.image WHERE " +
                  std::string(kName) + "=?1 AND tag=?2 ORDER BY updated_at DESC LIMIT 1");
  query.bind(name).bind(tag);
  if (!query.step()) return std::nullopt;
  const oci::Digest digest = oci::parse_digest(query.text(0));
  oci::Descriptor target{.media_type = query.text(1), .digest = digest, .size_bytes = query.integer(2)};
  const base::Timestamp updated_at{std::chrono::nanoseconds(query.integer(3))};
  return TagRecord{std::move(target), updated_at, RepositoryKind::kPulled};
}

std::optional<oci::Descriptor> find_manifest(Database& database, const std::string& name, const oci::Digest& digest) {
  if (!has_repository(database, name)) return std::nullopt;
  Query query(database, above("SELECT ?1") +
                            "SELECT media_type, size FROM manifest JOIN blob USING(digest)"
                            " WHERE digest=?1 AND is_published AND EXISTS(SELECT 1 FROM above WHERE " +
                            in_repository() + ")");
  query.bind(digest.to_string()).bind(name);
  if (!query.step()) return std::nullopt;
  return oci::Descriptor{.media_type = query.text(0), .digest = digest, .size_bytes = query.integer(1)};
}

bool has_blob(Database& database, const std::string& name, const oci::Digest& digest) {
  return has_repository(database, name) &&
         Query(database, above(kParentsOfBlob) + "SELECT 1 FROM above WHERE " + in_repository() + " LIMIT 1")
             .bind(digest.to_string())
             .bind(name)
             .step();
}

std::optional<oci::Descriptor> find_described(Database& database, const std::string& name, const oci::Digest& digest) {
  if (!has_repository(database, name)) return std::nullopt;
  Query query(database,
              "WITH RECURSIVE above(digest, descriptor) AS (SELECT parent, descriptor FROM link JOIN manifest"
              " ON manifest.digest=link.parent WHERE link.child=?1 AND manifest.is_published UNION"
              " SELECT link.parent, above.descriptor FROM link JOIN above ON link.child=above.digest"
              " WHERE link.role='manifest') SELECT descriptor FROM above WHERE " +
                  in_repository() + " LIMIT 1");
  query.bind(digest.to_string()).bind(name);
  if (!query.step()) return std::nullopt;
  return oci::descriptor_from_json(base::parse_json(query.text(0), "stored descriptor"));
}

NamePage list_repositories(Database& database, const PageRequest& page) {
  const std::string behind = std::string(kName) + ">?1";
  Query query(database, "SELECT name FROM repository WHERE name>?1 UNION " + names_of("tag", behind) + " UNION " +
                            names_of("digest_reference", behind) + " ORDER BY 1 LIMIT ?2");
  query.bind(page.after).bind(static_cast<std::int64_t>(page.limit) + 1);
  return read_page(query, page.limit);
}

NamePage list_tags(Database& database, const std::string& name, const PageRequest& page) {
  Query query(database,
              "SELECT tag FROM repository_tag WHERE repository=(SELECT id FROM repository WHERE name=?1) AND tag>?2"
              " UNION SELECT tag FROM tag WHERE " +
                  std::string(kName) + "=?1 AND tag>?2 ORDER BY 1 LIMIT ?3");
  query.bind(name).bind(page.after).bind(static_cast<std::int64_t>(page.limit) + 1);
  return read_page(query, page.limit);
}

std::vector<std::string> list_holders(Database& database, const oci::Digest& digest, std::size_t limit) {
  const std::string in_images = "image IN (SELECT digest FROM above)";
  Query query(database, above(kSomeParentsOfBlob) +
                            "SELECT name FROM (SELECT repository FROM repository_blob WHERE digest=?1 LIMIT ?2)"
                            " AS holder JOIN repository ON repository.id=holder.repository UNION " +
                            names_of("tag", in_images) + " UNION " + names_of("digest_reference", in_images) +
                            " LIMIT ?2");
  query.bind(digest.to_string()).bind(static_cast<std::int64_t>(limit)).bind(kMaxLooks);
  std::vector<std::string> holders;
  while (query.step()) holders.push_back(query.text(0));
  return holders;
}

bool is_copied_blob(Database& database, const oci::Digest& digest) {
  return Query(database, above(kSomeParentsOfBlob) + is_copied_in("repository_blob"))
      .bind(digest.to_string())
      .bind(kMaxLooks)
      .bind(kMaxLooks)
      .step();
}

bool is_copied_manifest(Database& database, const oci::Digest& digest) {
  return Query(database, above("SELECT digest FROM manifest WHERE digest=?1 AND is_published") +
                             is_copied_in("repository_manifest"))
      .bind(digest.to_string())
      .bind(kMaxLooks)
      .step();
}

}  // namespace lighterd::imagestore::pulled_table
