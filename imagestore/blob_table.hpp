// SPDX-License-Identifier: Apache-2.0
// Rows of blobs, layers, sources and leases. Each function runs inside the caller's transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "imagestore/sqlite.hpp"
#include "oci/digest.hpp"

namespace lighterd::imagestore {

// What a layer is once it is uncompressed.
struct LayerContent {
  oci::DiffID diff_id;
  std::int64_t uncompressed_bytes;
};

struct BlobInfo {
  oci::Digest digest;
  std::int64_t size_bytes;
  std::optional<LayerContent> layer;  // if it came in as a layer
};

// A repository on a registry; both as they stand in references ("docker.io", "library/alpine").
struct BlobSource {
  std::string registry;
  std::string repository;
};

namespace blob_table {

std::optional<BlobInfo> find(Database& database, const oci::Digest& digest);
// Replaces nothing that is there.
void insert(Database& database, const BlobInfo& blob, base::Timestamp now);
std::vector<oci::Digest> list(Database& database);
// That uncompress to it; bounded.
std::vector<oci::Digest> list_layers(Database& database, const oci::DiffID& diff_id);
// Rows that nothing references and no lease holds, added before `before`: the first `limit` whose digest sorts behind
// `after` (as text; empty: all).
std::vector<oci::Digest> list_unreferenced(Database& database, base::Timestamp before, const std::string& after,
                                           std::int64_t limit);

// Of all rows, and of those that list_unreferenced lists.
std::int64_t total_bytes(Database& database);
std::int64_t unreferenced_bytes(Database& database);

void add_source(Database& database, const oci::Digest& digest, const BlobSource& source, base::Timestamp now);
// Repositories of that registry, the newest first, at most 50.
std::vector<std::string> list_sources(Database& database, const oci::Digest& digest, const std::string& registry);
std::vector<BlobSource> list_sources(Database& database, const oci::Digest& digest);  // the newest first, at most 50

void insert_lease(Database& database, const std::string& id, const std::string& operation, base::Timestamp now);
void remove_lease(Database& database, const std::string& id);
void lease(Database& database, const std::string& id, const oci::Digest& digest);

// Takes the digest and everything below it out of the index as far as no image, no repository, no other document and
// no lease needs it; returns what was taken, whose files are to be removed after the commit, and adds their sizes to
// freed_bytes.
std::vector<oci::Digest> remove_unreferenced(Database& database, const oci::Digest& root, std::int64_t& freed_bytes);

// Whether the Docker face has a manifest with all that it points to.
bool has_content(Database& database, const oci::Digest& manifest);
// Takes the manifest from the Docker face, and unless it is in a repository, what it points to out of the index as far
// as nothing else needs it, and the manifest as well unless an image's name is for it. Adds what was taken to
// `removed`, whose files are to be removed after the commit.
void remove_content(Database& database, const oci::Digest& manifest, std::vector<oci::Digest>& removed);

}  // namespace blob_table
}  // namespace lighterd::imagestore
