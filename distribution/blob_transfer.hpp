// SPDX-License-Identifier: Apache-2.0
// One transfer for all in the daemon who want a blob, by whichever face they ask.
#pragma once

#include <memory>
#include <optional>

#include "distribution/puller.hpp"
#include "imagestore/content_store.hpp"

namespace lighterd::distribution {

// Whether what the store has will do: a layer needs a diff ID, and what came in as a plain blob has none yet.
bool is_here(const std::optional<imagestore::BlobInfo>& info, imagestore::BlobKind kind);

// Watches the transfer that there is, or starts one that fetches through `client`; into one that there is the client is
// to be contributed once it is known to be good for the blob. What is here as a plain blob is read instead of fetched
// where a layer is wanted. When it has ended the blob is here, as a layer only if the one that started it wanted one.
Watch join_blob_transfer(DistributionServices& services, const std::shared_ptr<RegistryClient>& client,
                         const oci::Descriptor& blob, imagestore::BlobKind kind);

}  // namespace lighterd::distribution
