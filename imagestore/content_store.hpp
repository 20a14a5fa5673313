// SPDX-License-Identifier: Apache-2.0
// Blobs by digest. A blob is visible once it is verified, on disk, and in the index (commit order: design decision 3);
// it stays while an image, a document or a lease needs it.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "imagestore/blob_table.hpp"
#include "imagestore/layer_digester.hpp"
#include "imagestore/metadata_db.hpp"
#include "imagestore/store_layout.hpp"
#include "oci/descriptor.hpp"

namespace lighterd::imagestore {

class ContentStore;

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

// One blob on its way in. Not thread-safe. Without commit() everything of it is gone when it goes.
class BlobWriter final : public base::Sink {
 public:
  enum class Kind { kPlain, kLayer };  // a layer's diff ID is computed on the way

  ~BlobWriter() override;
  void write(base::Bytes data) override;
  std::int64_t size_bytes() const { return size_bytes_; }

  // Compares with what was expected, makes the blob durable and visible and leases it. kDataLoss: wrong size, wrong
  // digest ("filesystem layer verification failed for digest ..." for layers), damaged compression. Once.
  BlobInfo commit(const oci::Descriptor& expected, const std::stop_token& stop = {});

 private:
  friend class ContentStore;
  BlobWriter(ContentStore& store, std::string lease_id, oci::DigestAlgorithm algorithm, Kind kind);
  void check(const oci::Descriptor& expected);
  std::optional<LayerContent> finish_layer(const std::stop_token& stop);
  void record(const BlobInfo& info);

  ContentStore& store_;
  std::string lease_id_;
  std::filesystem::path path_;
  base::UniqueFd fd_;
  oci::DigestHasher hasher_;
  std::unique_ptr<LayerDigester> layer_;
  // Damaged compression matters only if the digest is right: then it is the image that is bad, not the transfer.
  std::optional<base::Error> layer_error_;
  std::int64_t size_bytes_ = 0;
  std::int64_t flushed_bytes_ = 0;
  Kind kind_;
};

// kDataLoss unless the claimed size is the real one (security-reliability A.1/6): a descriptor may be of another
// document than the one that the blob came in by.
void require_size(const oci::Descriptor& claimed, std::int64_t size_bytes);

// Thread-safe.
class ContentStore {
 public:
  // Removes what an earlier run left: unfinished ingests and files that the index does not know. Blobs that nothing has
  // needed for `keep_unreferenced` are removed now and at most once an hour.
  ContentStore(const StoreLayout& layout, MetadataDb& database, base::Logger& logger,
               std::chrono::hours keep_unreferenced = std::chrono::hours(24));

  Lease make_lease(const std::string& operation);

  // Leases the digest in the transaction that looks for it. A row whose file is missing or has another size counts as
  // absent: the blob is fetched anew.
  std::optional<BlobInfo> find_blob(const oci::Digest& digest, const Lease& lease);
  std::optional<BlobInfo> find_blob(const oci::Digest& digest);

  std::unique_ptr<BlobWriter> start_blob(const Lease& lease, oci::DigestAlgorithm algorithm, BlobWriter::Kind kind);
  // A document whose bytes are here already; as BlobWriter.
  void put_blob(const oci::Descriptor& descriptor, std::string_view bytes, const Lease& lease);

  // kNotFound if absent.
  base::UniqueFd open_blob(const oci::Digest& digest) const;
  // A document, verified again while read: kDataLoss if it is not what its name says.
  std::string read_blob(const oci::Digest& digest, std::size_t limit_bytes) const;
  std::filesystem::path blob_path(const oci::Digest& digest) const { return layout_.blob(digest); }

  std::vector<std::string> list_sources(const oci::Digest& digest, const std::string& registry);
  void add_source(const std::vector<oci::Digest>& digests, const BlobSource& source);

  // Files of rows that a committed transaction removed. A digest that was committed anew meanwhile stays.
  void remove_files(const std::vector<oci::Digest>& digests);

 private:
  friend class Lease;
  friend class BlobWriter;
  void drop_lease(const std::string& id) noexcept;
  void remove_leftovers();
  void remove_unknown_files(oci::DigestAlgorithm algorithm);
  void remove_unreferenced(base::Timestamp before);
  void remove_unreferenced_if_due();
  void remove_if_unknown(const oci::Digest& digest) noexcept;  // under the digest's lock
  std::mutex& lock_of(const oci::Digest& digest);
  std::optional<BlobInfo> check_file(std::optional<BlobInfo> info) const;

  const StoreLayout& layout_;
  MetadataDb& database_;
  base::Logger& logger_;
  const std::chrono::hours keep_unreferenced_;
  std::atomic<std::chrono::steady_clock::time_point> next_removal_;
  // Between rename and row on one side and row and unlink on the other; by digest.
  std::array<std::mutex, 64> digest_locks_;
};

}  // namespace lighterd::imagestore
