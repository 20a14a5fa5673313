// SPDX-License-Identifier: Apache-2.0
// Blobs by digest. A blob is visible once it is verified, on disk, and in the index (commit order: design decision 3);
// it stays while an image, a document or a lease needs it.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/synchronized.hpp"
#include "imagestore/blob_adoption.hpp"
#include "imagestore/blob_table.hpp"
#include "imagestore/blob_writer.hpp"
#include "imagestore/metadata_db.hpp"
#include "imagestore/partial_blob.hpp"
#include "imagestore/store_layout.hpp"
#include "oci/descriptor.hpp"

namespace lighterd::imagestore {

class ContentStore;

// Of the store; a failure is logged. Returns the bytes that it took on the disk, 0 if it was not there.
std::int64_t remove_file(const std::filesystem::path& path, base::Logger& logger) noexcept;

// Pins what an operation uses until it goes; survives no restart. The store must outlive it.
class Lease {
 public:
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&&) = delete;
  ~Lease();
  const std::string& id() const { return id_; }

 private:
  friend class ContentStore;
  Lease(ContentStore& store, std::string id) : store_(&store), id_(std::move(id)) {}
  ContentStore* store_;
  std::string id_;
};

// Bytes on the disk.
struct StoreUsage {
  std::int64_t blob_bytes = 0;
  std::int64_t unneeded_blob_bytes = 0;  // of these, what no image, document or lease needs
  std::int64_t partial_bytes = 0;        // of unfinished downloads and of uploads that go on
  std::int64_t idle_partial_bytes = 0;   // of these, what nobody fetches now

  std::int64_t total_bytes() const { return blob_bytes + partial_bytes; }
  std::int64_t unneeded_bytes() const { return unneeded_blob_bytes + idle_partial_bytes; }
};

// Thread-safe.
class ContentStore {
 public:
  // Removes what an earlier run left: files that the index does not know and unfinished ingests, except upload sessions
  // and partial blobs of the last `keep_unreferenced`. Blobs that nothing has needed for that long are removed, too.
  ContentStore(const StoreLayout& layout, MetadataDb& database, base::Logger& logger,
               std::chrono::hours keep_unreferenced = std::chrono::hours(24));

  Lease make_lease(const std::string& operation);

  // Leases what is not here yet: it is held from the moment in which it arrives.
  void hold(const oci::Digest& digest, const Lease& lease);
  // Leases the digest in the transaction that looks for it. A row whose file is missing or has another size counts as
  // absent: the blob is fetched anew.
  std::optional<BlobInfo> find_blob(const oci::Digest& digest, const Lease& lease);
  std::optional<BlobInfo> find_blob(const oci::Digest& digest);

  std::unique_ptr<BlobWriter> start_blob(const Lease& lease, oci::DigestAlgorithm algorithm, BlobKind kind);
  // With what an earlier try left of it, as far as it is sound: reads that, so it blocks. Waits for a PartialBlob of
  // the same digest to go; kCancelled. kInvalidArgument for a size below zero.
  std::unique_ptr<PartialBlob> open_partial(const Lease& lease, const oci::Descriptor& descriptor, BlobKind kind,
                                            const std::stop_token& stop);
  // How much of it open_partial() would find. Reads that: blocks; kCancelled.
  std::int64_t find_partial_bytes(const oci::Descriptor& descriptor, const std::stop_token& stop) const;
  // On the disk of the store, for the daemon's user.
  std::int64_t free_bytes() const;
  // For a full disk: partial blobs that nobody fetches now are removed. Returns their bytes.
  std::int64_t remove_idle_partials();
  // Those, and blobs that nothing needs, however young: what StoreUsage::unneeded_bytes counts. Returns their bytes.
  std::int64_t remove_unneeded();
  // Blobs from before then that nothing needs, and partial blobs that are older than `keep_unreferenced`. Returns the
  // bytes of the blobs. kCancelled.
  std::int64_t collect(base::Timestamp before, const std::stop_token& stop);
  StoreUsage measure_usage();
  // A document whose bytes are here already; as BlobWriter.
  void put_blob(const oci::Descriptor& descriptor, std::string_view bytes, const Lease& lease);

  // What a layer that came in as a plain blob uncompresses to: its file is read once, and that is remembered. Nothing
  // if the file is not what its name says; kDataLoss for damaged compression; kCancelled. Somebody's lease holds it.
  std::optional<BlobInfo> describe_layer(const oci::Digest& digest, const std::stop_token& stop);

  // For content whose digest is not known before; becomes a blob by a BlobAdoption.
  std::unique_ptr<SpoolFile> start_file() { return std::make_unique<SpoolFile>(layout_, logger_); }
  // Any layer that uncompresses to it, leased.
  std::optional<BlobInfo> find_layer(const oci::DiffID& diff_id, const Lease& lease);

  // kNotFound if absent.
  base::UniqueFd open_blob(const oci::Digest& digest) const;
  // A document, verified again while read: kDataLoss if it is not what its name says.
  std::string read_blob(const oci::Digest& digest, std::size_t limit_bytes) const;
  std::filesystem::path blob_path(const oci::Digest& digest) const { return layout_.blob(digest); }

  std::vector<std::string> list_sources(const oci::Digest& digest, const std::string& registry);
  std::vector<BlobSource> list_sources(const oci::Digest& digest);
  void add_source(const std::vector<oci::Digest>& digests, const BlobSource& source);

  // Files of rows that a committed transaction removed. A digest that was committed anew meanwhile stays. Returns the
  // bytes of what was removed.
  std::int64_t remove_files(const std::vector<oci::Digest>& digests);

 private:
  friend class Lease;
  friend class BlobWriter;
  friend class BlobAdoption;
  friend class PartialBlob;
  friend class Upload;
  friend class UploadStore;
  // Syncs a finished file of ingest/, moves it among the blobs, records and leases it. The descriptor is closed then.
  void take_file(base::UniqueFd& fd, const std::filesystem::path& path, const BlobInfo& info,
                 const std::string& lease_id);
  void record(const BlobInfo& info, const std::string& lease_id);
  void close_partial(const oci::Digest& digest) noexcept;
  void remove_stale_ingests(bool at_start);
  bool is_wanted_partial(const std::filesystem::directory_entry& entry);
  bool is_open_upload(const std::filesystem::path& path);
  void drop_lease(const std::string& id) noexcept;
  void remove_leftovers();
  void remove_unknown_files(oci::DigestAlgorithm algorithm);
  std::int64_t remove_unreferenced(base::Timestamp before, const std::stop_token& stop);
  std::vector<oci::Digest> remove_rows(const std::vector<oci::Digest>& roots);  // as far as nothing needs them
  std::int64_t remove_if_unknown(const oci::Digest& digest) noexcept;           // under the digest's lock
  std::mutex& lock_of(const oci::Digest& digest);
  std::optional<BlobInfo> check_file(std::optional<BlobInfo> info) const;

  const StoreLayout& layout_;
  MetadataDb& database_;
  base::Logger& logger_;
  const std::chrono::hours keep_unreferenced_;
  // Between rename and row on one side and row and unlink on the other; by digest.
  std::array<std::mutex, 64> digest_locks_;
  base::Synchronized<std::vector<std::string>> undropped_leases_;
  base::Synchronized<std::unordered_set<oci::Digest>> open_partials_;
  std::condition_variable_any partial_closed_;
};

}  // namespace lighterd::imagestore
