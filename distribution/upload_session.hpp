// SPDX-License-Identifier: Apache-2.0
// An upload session that a registry has opened: its requests (registry-protocol.md A12 3). Each goes where the answer
// to the one before said; where that leaves the registry's origin, no credential goes with it (security-reliability
// A.2 18). What to do about a refusal is the caller's.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>

#include "distribution/registry_session.hpp"

namespace lighterd::distribution {

// Not thread-safe; the RegistrySession must outlive it. Refusals are thrown as RegistryError,
// those of storage hosts as stale.
class UploadSession {
 public:
  // `started`: the 202 that opened it. kInternal without a Location, kPermissionDenied for one that must not be
  // contacted.
  UploadSession(RegistrySession& registry, const Answer& started);

  // At a storage host: a signed URL takes one PUT.
  bool is_elsewhere() const;
  // OCI-Chunk-Min-Length; 0 if the registry named none.
  std::int64_t min_chunk_bytes() const { return min_chunk_bytes_; }

  // Appends. Returns where the registry's range ends (how many bytes it has), if it says so.
  std::optional<std::int64_t> send_chunk(std::int64_t offset_bytes, const RequestBody& body,
                                         const std::stop_token& stop);
  // How many bytes the registry has, if it says so. "0-0" counts as none: it means nothing or one byte.
  std::optional<std::int64_t> get_received(const std::stop_token& stop);
  // The rest of the bytes, or an empty body, of a blob of size_bytes in all. True: the registry says that it has it;
  // false: it took the request, which proves nothing.
  bool commit(const oci::Digest& digest, std::int64_t size_bytes, const RequestBody& rest, const std::stop_token& stop);
  // Best effort; returns when `limit` is over.
  void abandon(std::chrono::milliseconds limit) noexcept;

 private:
  Call call(const char* method) const;
  void follow(const Answer& answer);

  RegistrySession& registry_;
  std::optional<Url> location_;
  std::int64_t min_chunk_bytes_ = 0;
};

}  // namespace lighterd::distribution
