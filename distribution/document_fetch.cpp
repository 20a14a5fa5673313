// SPDX-License-Identifier: Apache-2.0
#include "distribution/document_fetch.hpp"

#include <utility>

#include "base/error.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;
using imagestore::ParsedManifest;

namespace {

// The parent's word counts, but not a HEAD's that there is schema 1 where there turns out to be none.
const std::string& type_of(const oci::Descriptor& descriptor, const FetchedManifest& fetched) {
  const bool is_said = !descriptor.media_type.empty() && !oci::media_type::is_schema1(descriptor.media_type);
  return is_said ? descriptor.media_type : fetched.descriptor.media_type;
}

}  // namespace

DocumentFetch::DocumentFetch(DistributionServices& services, SharedRequests& shared, RegistryClient& client,
                             const imagestore::Lease& lease, std::string reference, DocumentLimits limits,
                             Keeping keeping, std::stop_token stop)
    : services_(services),
      shared_(shared),
      client_(client),
      lease_(lease),
      reference_(std::move(reference)),
      limits_(limits),
      keeping_(keeping),
      stop_(std::move(stop)) {}

ParsedManifest& DocumentFetch::load(const oci::Descriptor& descriptor) {
  if (const auto known = documents_.find(descriptor.digest); known != documents_.end()) return *known->second;
  if (documents_.size() >= limits_.count) throw Error(ErrorCode::kInvalidArgument, "the image has too many manifests");
  throw_if_stopped();
  const bool is_fetched = fetched_ && fetched_->descriptor.digest == descriptor.digest;
  const auto stored = is_fetched ? std::nullopt : find_stored(descriptor.digest, oci::kMaxManifestBytes);
  const FetchedManifest fetched = is_fetched ? std::exchange(fetched_, std::nullopt).value()
                                  : stored   ? FetchedManifest{descriptor, *stored}
                                             : fetch_document(descriptor);
  document_bytes_ += fetched.bytes.size();
  if (document_bytes_ > limits_.bytes)
    throw Error(ErrorCode::kInvalidArgument,
                "the image has more than " + std::to_string(limits_.bytes) + " bytes of manifests");
  const std::string& type = type_of(descriptor, fetched);
  // Not inside the braces below: g++ 12 destroys members twice when a later initialiser throws.
  oci::Document document = oci::parse_document(fetched.bytes, type, reference_);
  ParsedManifest manifest{.descriptor = descriptor, .document = std::move(document)};
  manifest.descriptor.media_type = oci::media_type_of(manifest.document);
  manifest.descriptor.size_bytes = static_cast<std::int64_t>(fetched.bytes.size());
  if (descriptor.size_bytes >= 0 && descriptor.size_bytes != manifest.descriptor.size_bytes)
    throw Error(ErrorCode::kDataLoss, "manifest " + descriptor.digest.to_string() + " has " +
                                          std::to_string(manifest.descriptor.size_bytes) + " bytes, not " +
                                          std::to_string(descriptor.size_bytes));
  if (!stored) keep(manifest.descriptor, fetched.bytes);
  auto kept = std::make_unique<ParsedManifest>(std::move(manifest));
  return *documents_.emplace(descriptor.digest, std::move(kept)).first->second;
}

const FetchedManifest* DocumentFetch::find_schema1(const oci::Descriptor& descriptor) {
  // What is here is of other kinds; and what is refused load() refuses.
  const bool is_refused = services_.registries.schema1_images == Schema1Images::kRefused;
  if (is_refused || services_.content.find_blob(descriptor.digest, lease_)) return nullptr;
  throw_if_stopped();
  fetched_ = fetch_document(descriptor);
  return is_taken_schema1(*fetched_) ? &*fetched_ : nullptr;
}

bool DocumentFetch::is_taken_schema1(const FetchedManifest& fetched) const {
  return services_.registries.schema1_images == Schema1Images::kTaken &&
         oci::media_type::is_schema1(fetched.descriptor.media_type);
}

FetchedManifest DocumentFetch::fetch_document(const oci::Descriptor& descriptor) {
  const oci::Digest& digest = descriptor.digest;
  const auto fetch = [&] {
    // Another pull may have brought it since it was looked for.
    if (auto bytes = find_stored(digest, oci::kMaxManifestBytes)) return FetchedManifest{descriptor, *std::move(bytes)};
    FetchedManifest fetched = client_.get_manifest(digest, stop_);
    // Others could not verify it: what it is converted to is kept.
    if (is_taken_schema1(fetched)) return fetched;
    // Of the requests for it one keeps it, and not what is no document.
    (void)oci::parse_document(fetched.bytes, type_of(descriptor, fetched), reference_);
    if (keeping_ == Keeping::kStore) services_.content.put_blob(fetched.descriptor, fetched.bytes, lease_);
    return fetched;
  };
  return shared_.manifests.run(client_.identity() + "@" + digest.to_string(), fetch, stop_);
}

std::string DocumentFetch::read_config(const oci::Descriptor& config) {
  throw_if_stopped();
  const auto stored = find_stored(config.digest, oci::kMaxConfigBytes);
  std::string bytes = stored ? *stored : fetch_config(config);
  imagestore::require_size(config, static_cast<std::int64_t>(bytes.size()));
  if (!stored) keep(config, bytes);
  return bytes;
}

std::string DocumentFetch::fetch_config(const oci::Descriptor& config) {
  const auto fetch = [&] {
    if (auto stored = find_stored(config.digest, oci::kMaxConfigBytes)) return *std::move(stored);
    std::string bytes = client_.read_blob(config, oci::kMaxConfigBytes, stop_);
    if (keeping_ == Keeping::kStore) services_.content.put_blob(config, bytes, lease_);
    return bytes;
  };
  return shared_.configs.run(client_.identity() + "@" + config.digest.to_string(), fetch, stop_);
}

// What is in the store is read without waiting, and there may be thousands of it.
void DocumentFetch::throw_if_stopped() const {
  if (stop_.stop_requested()) throw Error(ErrorCode::kCancelled, "pull cancelled");
}

// Leases what another request for it has put already.
void DocumentFetch::keep(const oci::Descriptor& descriptor, const std::string& bytes) {
  if (keeping_ == Keeping::kForget) return;
  if (!services_.content.find_blob(descriptor.digest, lease_)) services_.content.put_blob(descriptor, bytes, lease_);
}

// Nothing also for what is damaged: it is fetched anew then.
std::optional<std::string> DocumentFetch::find_stored(const oci::Digest& digest, std::size_t limit_bytes) {
  if (!services_.content.find_blob(digest, lease_)) return std::nullopt;
  try {
    return services_.content.read_blob(digest, limit_bytes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDataLoss) throw;
    services_.logger.warn("stored content is damaged and fetched anew", {{"digest", digest.to_string()}});
    return std::nullopt;
  }
}

}  // namespace lighterd::distribution
