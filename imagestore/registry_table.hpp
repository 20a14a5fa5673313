// SPDX-License-Identifier: Apache-2.0
// Rows of pushed and cached repositories and of what is linked to them. Each function runs inside the caller's
// transaction; `repository` is a row's ID.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "imagestore/registry_store.hpp"
#include "imagestore/sqlite.hpp"

namespace lighterd::imagestore::registry_table {

struct RepositoryRow {
  std::int64_t id;
  RepositoryKind kind;  // pushed or cached
  base::Timestamp active_at;
};

struct BlobLink {
  base::Timestamp touched_at;
  bool is_waiting;  // no manifest was seen to need it since then
};

struct ManifestLink {
  oci::Descriptor descriptor;
  base::Timestamp added_at;
};

std::optional<RepositoryRow> find(Database& database, const std::string& name);
std::int64_t insert(Database& database, const std::string& name, RepositoryKind kind, base::Timestamp now);
void set_active(Database& database, std::int64_t repository, base::Timestamp now);

std::optional<ManifestLink> find_manifest(Database& database, std::int64_t repository, const oci::Digest& digest);
// Whether it was there.
bool touch_manifest(Database& database, std::int64_t repository, const oci::Digest& digest, base::Timestamp now);
// One that is there gets a new time.
void put_manifest(Database& database, std::int64_t repository, const oci::Descriptor& descriptor,
                  const oci::Document& document, base::Timestamp now);
// Whether it was there; the tags that point to it go too, and the blobs that it needed wait from now on.
bool remove_manifest(Database& database, std::int64_t repository, const oci::Digest& digest, base::Timestamp now);
// Of the repository's manifests that point to the digest the first one's descriptor of it.
std::optional<oci::Descriptor> find_described(Database& database, std::int64_t repository, const oci::Digest& digest);

std::optional<BlobLink> find_blob(Database& database, std::int64_t repository, const oci::Digest& digest);
void link_blob(Database& database, std::int64_t repository, const oci::Digest& digest, base::Timestamp now);
// Whether it was there.
bool touch_blob(Database& database, std::int64_t repository, const oci::Digest& digest, base::Timestamp now);
bool unlink_blob(Database& database, std::int64_t repository, const oci::Digest& digest);
bool is_blob_needed(Database& database, std::int64_t repository, const oci::Digest& digest);
// Links blobs that the manifest needs, as far as they are here; they wait no longer.
void link_content(Database& database, std::int64_t repository, const oci::Digest& manifest, base::Timestamp now);
// The same of those that are linked already.
void keep_content(Database& database, std::int64_t repository, const oci::Digest& manifest);
// What the Docker face has of the manifest and all that is below it.
std::vector<oci::Descriptor> list_published(Database& database, const oci::Digest& manifest);

std::optional<TagRecord> find_tag(Database& database, const RepositoryRow& repository, const std::string& tag);
// What a tag pointed to gets a new time when it does no longer.
void set_tag(Database& database, std::int64_t repository, const std::string& tag, const oci::Digest& digest,
             base::Timestamp now);
bool remove_tag(Database& database, std::int64_t repository, const std::string& tag, base::Timestamp now);
// Whether it was there.
bool touch_tag(Database& database, std::int64_t repository, const std::string& tag, base::Timestamp now);

ReferrerPage list_referrers(Database& database, std::int64_t repository, const oci::Digest& subject,
                            const std::string& artifact_type, const PageRequest& page);

}  // namespace lighterd::imagestore::registry_table
