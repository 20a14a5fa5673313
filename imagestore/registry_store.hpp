// SPDX-License-Identifier: Apache-2.0
// The store as a registry has it: repositories, and what is linked to them. A blob or a manifest is visible in a
// repository only by such a link, whoever else has the same bytes (security-reliability A.1/13).
//
// A repository is one of three kinds. Pushed: made by a push. Cached: kept for an upstream registry, under
// "<host>/<path>". Pulled: what the Docker face has under a name, seen under "<host>/<path>" as well, as it is there
// and never written from here. In these names a port's colon is '_' ("localhost_5000/app"), and hosts are lower case;
// IPv6 hosts have no such name. Where a pushed or cached repository has the name of a pulled one, its own tags win and
// the pulled content is seen beside it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "imagestore/content_store.hpp"
#include "imagestore/metadata_db.hpp"
#include "imagestore/registry_names.hpp"
#include "oci/manifest.hpp"
#include "oci/reference.hpp"

namespace lighterd::imagestore {

enum class RepositoryKind { kPushed, kCached, kPulled };

struct TagRecord {
  oci::Descriptor target;      // media type as it was pushed
  base::Timestamp updated_at;  // last push, or the upstream's last confirmation
  RepositoryKind kind;
  base::Timestamp asked_at = {};  // touch_tag, of a cached one
};

struct PageRequest {
  std::string after = {};   // names that sort (by byte) behind this one
  std::size_t limit = 100;  // the caller bounds it
};

struct NamePage {
  std::vector<std::string> names;  // sorted by byte
  bool has_more = false;
};

struct ReferrerPage {
  std::vector<oci::Descriptor> manifests;  // sorted by digest, with artifact type and annotations
  bool has_more = false;
};

// A manifest that is to become visible. `document` is `bytes` parsed.
struct ManifestUpload {
  std::string repository;
  RepositoryKind kind = RepositoryKind::kPushed;  // or kCached
  oci::Descriptor descriptor;                     // media type as its sender named it, without parameters
  std::string_view bytes;
  const oci::Document& document;
  std::vector<std::string> tags = {};
  // Have to be visible in the repository, or nothing is stored.
  std::vector<oci::Digest> required_blobs = {};
  std::vector<oci::Digest> required_manifests = {};
};

// Thread-safe; every change is one durable transaction. Repository names are valid ones (is_valid_repository).
// Writing functions make the repository if there is none; kPermissionDenied where it is of another kind, or where a
// pulled one has the name and no pushed one does.
class RegistryStore {
 public:
  // What is pushed and not needed by a manifest of its repository stays for `grace` after it was pushed, mounted or
  // last asked for.
  RegistryStore(ContentStore& content, MetadataDb& database, std::chrono::milliseconds grace);

  // Of several the first of: pushed, cached, pulled.
  std::optional<RepositoryKind> find_repository(const std::string& repository);
  NamePage list_repositories(const PageRequest& page);  // of every kind, each once
  NamePage list_tags(const std::string& repository, const PageRequest& page);

  // Whether a cached or a pulled repository shows it: what was only pushed here is nobody's copy, and shown by no other
  // repository because somebody names its digest. Cheap; false at times where very many repositories have it.
  bool is_copied_blob(const oci::Digest& digest);
  bool is_copied_manifest(const oci::Digest& digest);

  // Of a cached and a pulled tag of the same name the newer one.
  std::optional<TagRecord> find_tag(const std::string& repository, const std::string& tag);
  // Renews the time since which nothing may have led to it.
  std::optional<oci::Descriptor> find_manifest(const std::string& repository, const oci::Digest& digest);
  // Renews the grace of what waits for its manifest. A row whose file is missing or damaged counts as absent.
  std::optional<BlobInfo> find_blob(const std::string& repository, const oci::Digest& digest);
  // What a visible manifest of the repository says of it, present or not.
  std::optional<oci::Descriptor> find_described(const std::string& repository, const oci::Digest& digest);
  // Repositories in which the blob is visible, at most `limit`.
  std::vector<std::string> list_holders(const oci::Digest& digest, std::size_t limit);
  // Manifests of the repository whose subject it is, whether that is here or not. An empty type: all. A page ends
  // before its annotations exceed 3 MiB, too.
  ReferrerPage list_referrers(const std::string& repository, const oci::Digest& subject,
                              const std::string& artifact_type, const PageRequest& page);

  // The digests that are missing; none: it is stored, and the tags point to it.
  std::vector<oci::Digest> put_manifest(const ManifestUpload& upload);
  // Makes a blob of the store visible there. False if the store has not got it.
  bool link_blob(const std::string& repository, RepositoryKind kind, const oci::Digest& digest);
  // A cached tag was confirmed by its upstream: still that manifest, which has to be in the repository (false if not).
  bool confirm_tag(const std::string& repository, const std::string& tag, const oci::Digest& digest);
  // The same of a manifest: one that was only pulled becomes a cached one.
  bool confirm_manifest(const std::string& repository, const oci::Digest& digest);
  // The cached tag was served without being confirmed: retention sees that it is asked for. Rarely costs a write.
  void touch_tag(const std::string& repository, const std::string& tag, const TagRecord& record);

  // Whether there was one. Content stays for the collector. Of pulled repositories nothing can be removed.
  bool remove_tag(const std::string& repository, const std::string& tag);
  bool remove_manifest(const std::string& repository, const oci::Digest& digest);  // and the tags that point to it
  // kConflict while a manifest of the repository needs it.
  bool unlink_blob(const std::string& repository, const oci::Digest& digest);

 private:
  friend class Upload;
  friend class UploadStore;
  // Inside a transaction: the error of the writing functions, and the repository's row, made if there is none.
  void require_writable(Database& database, const std::string& repository, RepositoryKind kind) const;
  std::int64_t get_for_writing(Database& database, const std::string& repository, RepositoryKind kind,
                               base::Timestamp now) const;
  void adopt(Database& database, std::int64_t repository, const oci::Digest& manifest, base::Timestamp now) const;
  bool is_manifest_visible(Database& database, const std::string& repository, const oci::Digest& digest) const;
  bool is_blob_visible(Database& database, const std::string& repository, const oci::Digest& digest) const;
  std::vector<oci::Digest> list_missing(Database& database, const ManifestUpload& upload) const;
  void record(Database& database, const ManifestUpload& upload, base::Timestamp now) const;

  ContentStore& content_;
  MetadataDb& database_;
  const std::chrono::milliseconds grace_;
  const std::chrono::milliseconds time_step_;  // what is said to have been used is said so this often
};

}  // namespace lighterd::imagestore
