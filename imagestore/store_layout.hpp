// SPDX-License-Identifier: Apache-2.0
// Every path under the data root:
//
//   <data-root>/            0700, ours alone
//     engine-id             made at the first start; /info shows it
//     lock                  flock of the one daemon that uses the store
//     oci-layout            the data root is an OCI image layout for readers
//     index.json            its index; empty: the names are in the database
//     lighterd.db           SQLite: what is known of every blob, image and name (and -wal, -shm)
//     blobs/sha256/<hex>    content, verified before it gets here, never changed
//     blobs/sha512/<hex>
//     ingest/<random>       content on its way in
//     ingest/<algorithm>-<hex>.part   a blob of which a part has arrived ...
//     ingest/<algorithm>-<hex>.map    ... and which part
//     ingest/upload-<id>    what a client has pushed of a blob so far
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/file.hpp"
#include "oci/digest.hpp"

namespace lighterd::imagestore {

class StoreLayout {
 public:
  // Makes what is missing, durably, and takes the lock. kConflict when another daemon has it; kPermissionDenied when
  // the data root belongs to another user or can be written by group or others.
  explicit StoreLayout(const std::filesystem::path& root);

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path database() const { return root_ / "lighterd.db"; }
  std::filesystem::path ingest() const { return root_ / "ingest"; }
  std::filesystem::path blobs(oci::DigestAlgorithm algorithm) const;
  std::filesystem::path blob(const oci::Digest& digest) const;
  std::filesystem::path partial(const oci::Digest& digest) const;
  std::filesystem::path partial_map(const oci::Digest& digest) const;
  // Of a .part or .map file; nothing for any other name.
  std::optional<oci::Digest> find_partial_digest(const std::filesystem::path& path) const;
  // `id`: 32 hex digits.
  std::filesystem::path upload(const std::string& id) const { return ingest() / ("upload-" + id); }
  // Of such a file; nothing for any other name.
  std::optional<std::string> find_upload_id(const std::filesystem::path& path) const;

 private:
  std::filesystem::path root_;
  base::UniqueFd lock_;
};

}  // namespace lighterd::imagestore
