// SPDX-License-Identifier: Apache-2.0
// One blob on its way in over any number of connections, tries and runs of the daemon. What arrived stays under
// ingest/ for a day, so that the next try fetches only what is missing.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "base/file.hpp"
#include "imagestore/byte_ranges.hpp"
#include "imagestore/content_verifier.hpp"
#include "imagestore/partial_map.hpp"

namespace lighterd::imagestore {

class ContentStore;

// At most one for a digest at a time (ContentStore::open_partial waits). Thread-safety is said of each function; where
// nothing is said, one thread. The store must outlive it.
class PartialBlob {
 public:
  ~PartialBlob();

  const oci::Descriptor& descriptor() const { return descriptor_; }
  // Thread-safe. Bytes of parts that still write are counted, but not yet part of the ranges.
  std::int64_t arrived_bytes() const { return arrived_bytes_.load(std::memory_order_relaxed); }
  std::optional<ByteRange> find_gap(std::int64_t from, std::int64_t end) const;
  // The file that the bytes are written to; it stays the blob's once that is committed. Of no use after an Error.
  base::UniqueFd open_reader() const;
  bool is_complete() const { return !find_gap(0, descriptor_.size_bytes); }

  // What one connection brings, from `begin` on. Parts of other bytes may write at the same time from other threads;
  // none may write a byte that is here already.
  class Part {
   public:
    Part(PartialBlob& blob, std::int64_t begin) : blob_(blob), recorded_(begin), position_(begin) {}
    ~Part();  // records the rest
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;

    std::int64_t position() const { return position_; }
    // kNoSpace, kInternal.
    void write(base::Bytes data);

   private:
    void record();
    PartialBlob& blob_;
    std::int64_t recorded_;
    std::int64_t position_;
    std::uint64_t crc_ = 0;
  };

  // The digest is computed in order, by one thread: from bytes that were just written at `position` if it is their
  // turn (otherwise they are left for later) ...
  void verify(std::int64_t position, base::Bytes data);
  // ... or read back: what follows without a gap, at most `limit_bytes` of it. False if there is nothing.
  bool verify_arrived(std::int64_t limit_bytes);
  std::int64_t verified_bytes() const { return verifier_->size_bytes(); }

  // When all is here: makes the blob durable and visible and leases it. kDataLoss as ContentVerifier; of a wrong digest
  // nothing is kept then, nor of what could not be synced. Once.
  BlobInfo commit();
  // Forgets what arrived. No part may exist.
  void discard();

 private:
  friend class ContentStore;
  PartialBlob(ContentStore& store, std::string lease_id, oci::Descriptor descriptor, BlobKind kind,
              const std::stop_token& stop);
  void add_range(ByteRange range, std::uint64_t crc);
  void forget() noexcept;

  ContentStore& store_;
  const std::string lease_id_;
  const oci::Descriptor descriptor_;
  const BlobKind kind_;
  const std::filesystem::path path_;
  base::UniqueFd fd_;
  std::unique_ptr<ContentVerifier> verifier_;
  std::int64_t flushed_bytes_ = 0;
  std::atomic<std::int64_t> arrived_bytes_ = 0;
  std::mutex map_mutex_;  // of the map alone: who asks for gaps does not wait for a disk
  PartialMap map_;
  mutable std::mutex mutex_;  // of the ranges
  ByteRanges ranges_;
};

}  // namespace lighterd::imagestore
