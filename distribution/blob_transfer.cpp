// SPDX-License-Identifier: Apache-2.0
#include "distribution/blob_transfer.hpp"

#include "base/error.hpp"
#include "distribution/blob_fetch.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;
using imagestore::BlobKind;

// What the blob's descriptor says is a part of what is wanted.
std::string transfer_key(const oci::Descriptor& blob) {
  return blob.digest.to_string() + " " + std::to_string(blob.size_bytes);
}

Error no_space(const std::string& blob, const Error& error) {
  return Error(ErrorCode::kNoSpace, blob + ": " + error.text() + "; free space there and pull again");
}

void bring(imagestore::ContentStore& content, const oci::Descriptor& blob, BlobKind kind, Transfer& transfer,
           const std::stop_token& stop) {
  // Its own until each watcher has leased the blob.
  const auto lease = content.make_lease("fetch " + blob.digest.to_string());
  // Another transfer of it may have ended between the look-up and this one's start.
  const auto known = content.find_blob(blob.digest, lease);
  if (is_here(known, kind)) return;
  if (known && content.describe_layer(blob.digest, stop)) return;
  fetch_blob(content, lease, blob, kind, transfer, {}, stop);
}

// Owns all it needs: it may outlive the operation that asked first.
TransferWork make_work(imagestore::ContentStore& content, const oci::Descriptor& blob, BlobKind kind) {
  return [&content, blob, kind](Transfer& transfer, const std::stop_token& stop) {
    const std::string name = (kind == BlobKind::kLayer ? "layer " : "blob ") + blob.digest.to_string();
    try {
      bring(content, blob, kind, transfer, stop);
    } catch (Error& error) {
      if (error.code() == ErrorCode::kNoSpace) throw no_space(name, error);
      if (error.code() != ErrorCode::kCancelled) error.add_context(name);
      throw;
    }
  };
}

}  // namespace

bool is_here(const std::optional<imagestore::BlobInfo>& info, BlobKind kind) {
  return info && (kind == BlobKind::kPlain || info->layer);
}

Watch join_blob_transfer(DistributionServices& services, const std::shared_ptr<RegistryClient>& client,
                         const oci::Descriptor& blob, BlobKind kind) {
  return services.downloads.join(transfer_key(blob), client->registry(), make_work(services.content, blob, kind),
                                 client);
}

}  // namespace lighterd::distribution
