// SPDX-License-Identifier: Apache-2.0
// A blob of a cached repository, read while it arrives: one transfer for all who read it, each at its own place.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "distribution/blob_arrival.hpp"
#include "distribution/transfer_queue.hpp"
#include "distribution/upstream_cache.hpp"

namespace lighterd::distribution {

// Watches the transfer of one blob for one repository; the blob is held from then on, and becomes visible there at its
// end. Thread-safe.
class CachedDownload {
 public:
  // Blocks while upstream is asked whether it may be had, where somebody else fetches it already; throws as
  // RegistryClient::require_blob.
  CachedDownload(DistributionServices& services, imagestore::RegistryStore& registry, std::string repository,
                 oci::Descriptor blob, std::shared_ptr<RegistryClient> client, const std::stop_token& stop);
  ~CachedDownload();  // leaves the transfer
  CachedDownload(const CachedDownload&) = delete;
  CachedDownload& operator=(const CachedDownload&) = delete;

  const oci::Descriptor& blob() const { return blob_; }
  bool has_ended() const { return watch_->has_ended(); }
  // Blocks until something has arrived, or the deadline; throws what the transfer threw. Whether all of it is here, and
  // visible.
  bool wait_for_start(std::chrono::steady_clock::time_point deadline, const std::stop_token& stop);
  // Blocks until bytes behind `position`, which is less than the blob's size, may be handed on, up to readable_bytes;
  // throws what the transfer threw. The last block may only when all of it is here, and visible.
  BlobArrival::View wait(std::int64_t position, const std::stop_token& stop);

 private:
  BlobArrival::View look(std::int64_t bytes, std::chrono::steady_clock::time_point deadline,
                         const std::stop_token& stop);
  void finish(const BlobArrival::View& view, const std::stop_token& stop);
  void link() noexcept;

  imagestore::ContentStore& content_;
  imagestore::RegistryStore& registry_;
  base::Logger& logger_;
  const std::string repository_;
  const oci::Descriptor blob_;
  const std::shared_ptr<RegistryClient> client_;
  const imagestore::Lease lease_;
  Watch watch_;
  std::once_flag finished_;
  BlobArrival::File file_;  // once it is finished
};

// kDataLoss if upstream's copy cannot be the one that is here.
void require_same_size(const oci::Digest& digest, const imagestore::BlobInfo& here, std::int64_t upstream_bytes);

// From `begin` on, which is less than the blob's size.
std::unique_ptr<BlobDownload> make_blob_stream(std::shared_ptr<CachedDownload> download, std::int64_t begin,
                                               const std::stop_token& stop);

}  // namespace lighterd::distribution
