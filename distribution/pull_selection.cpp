// SPDX-License-Identifier: Apache-2.0
#include "distribution/pull_selection.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "distribution/blob_transfer.hpp"

namespace lighterd::distribution {

using imagestore::ParsedManifest;

PullSelection::PullSelection(DistributionServices& services, SharedRequests& shared, RegistryClient& client,
                             const imagestore::Lease& lease, DocumentFetch& documents, oci::Reference reference,
                             std::stop_token stop)
    : services_(services),
      shared_(shared),
      client_(client),
      lease_(lease),
      documents_(documents),
      reference_(std::move(reference)),
      stop_(std::move(stop)) {}

void PullSelection::find(const PlatformChoice& platforms) {
  try {
    const oci::Descriptor target = find_target();
    if (const FetchedManifest* source = documents_.find_schema1(target)) {
      require_single_platform(platforms);
      return check_schema1(*source);
    }
    selected_ = select_manifests(documents_, target, platforms, services_.host);
    target_ = documents_.load(target).descriptor;
  } catch (const base::Error&) {
    rethrow_for_pull(reference_);
  }
}

void PullSelection::check_schema1(const FetchedManifest& source) {
  schema1_ = oci::parse_schema1(source.bytes);
  // What cannot become a config is refused before its layers are fetched.
  (void)oci::describe_schema1(*schema1_);
  target_ = source.descriptor;
}

oci::Descriptor PullSelection::find_target() {
  if (!reference_.digest()) {
    return shared_.resolves.run(
        client_.identity() + ":" + *reference_.tag(), [&] { return client_.resolve(*reference_.tag(), stop_); }, stop_);
  }
  // What is here by another name is not taken for granted: the registry is asked whether this repository has it.
  if (services_.content.find_blob(*reference_.digest(), lease_) && !services_.images.find_by_reference(reference_))
    client_.resolve(reference_.digest()->to_string(), stop_);
  // The type and the size are what the document turns out to have.
  return {.media_type = "", .digest = *reference_.digest(), .size_bytes = -1};
}

bool PullSelection::is_named() const {
  const auto named = services_.images.find_by_reference(reference_);
  // Also by the digest of what it was converted from.
  const auto target =
      services_.images.find_by_reference(oci::Reference(reference_.repository(), std::nullopt, target_->digest));
  return named && target && named->target.digest == target->target.digest;
}

bool PullSelection::is_complete() const {
  if (!is_named()) return false;
  if (schema1_) return has_layers(*schema1_);
  std::unordered_set<oci::Digest> published;
  for (const auto& entry : services_.images.list_entries(target_->digest))
    if (entry.is_complete) published.insert(entry.digest);
  return std::ranges::all_of(selected_.images, [&](const ParsedManifest* image) {
    return published.contains(image->descriptor.digest) && has_content(std::get<oci::Manifest>(image->document));
  });
}

bool PullSelection::has_layers(const oci::Schema1Manifest& manifest) const {
  return std::ranges::all_of(manifest.layers(), [&](const oci::Digest& layer) {
    return is_here(services_.content.find_blob(layer, lease_), imagestore::BlobKind::kLayer);
  });
}

bool PullSelection::has_content(const oci::Manifest& manifest) const {
  if (!services_.content.find_blob(manifest.config.digest, lease_)) return false;
  return std::ranges::all_of(manifest.layers, [&](const auto& layer) {
    return services_.content.find_blob(layer.digest, lease_).has_value();
  });
}

}  // namespace lighterd::distribution
