// SPDX-License-Identifier: Apache-2.0
// The work of a download: one blob from a registry into the store, resumed where an earlier try ended, over several
// connections where that is faster.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>

#include "distribution/registry_client.hpp"
#include "distribution/transfer_queue.hpp"
#include "imagestore/content_store.hpp"
#include "oci/descriptor.hpp"

namespace lighterd::distribution {

struct ParallelOptions {
  std::int64_t from_bytes = kLargeBlobBytes;  // less has one connection; so has what is not asked for as a range
  int max_connections = 8;
  // How long a connection is watched before another is added, and before it shows whether that helped.
  std::chrono::milliseconds interval{500};
};

// Blocks until the blob is verified, on disk and leased by `lease`; through transfer.sources(), of which there must be
// one. Content that is not what its digest says is fetched once more from scratch. Throws as PartFetch and
// PartialBlob::commit; what arrived stays for the next try then.
void fetch_blob(imagestore::ContentStore& content, const imagestore::Lease& lease, const oci::Descriptor& descriptor,
                imagestore::BlobKind kind, Transfer& transfer, const ParallelOptions& options,
                const std::stop_token& stop);

}  // namespace lighterd::distribution
