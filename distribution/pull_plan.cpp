// SPDX-License-Identifier: Apache-2.0
#include "distribution/pull_plan.hpp"

#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "distribution/pull_selection.hpp"
#include "distribution/schema1_pull.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;
using imagestore::ParsedManifest;
using Kind = PlannedBlob::Kind;

class Planning {
 public:
  Planning(DistributionServices& services, SharedRequests& shared, const PullRequest& request, std::stop_token stop)
      : services_(services),
        request_(request),
        stop_(std::move(stop)),
        client_(services.http, services.registries, request.reference.repository(), Access::kPull, request.context,
                services.logger),
        lease_(services.content.make_lease("plan " + request.reference.familiar())),
        documents_(services, shared, client_, lease_, request.reference.familiar(), DocumentLimits{},
                   DocumentFetch::Keeping::kForget, stop_),
        selection_(services, shared, client_, lease_, documents_, request.reference, stop_) {}

  PullPlan make() {
    selection_.find(request_.platforms);
    PullPlan plan{.reference = request_.reference, .target = selection_.target().digest};
    plan.is_up_to_date = selection_.is_complete();
    const SelectedManifests& selected = selection_.manifests();
    for (const ParsedManifest* index : selected.indexes) add(Kind::kIndex, index->descriptor);
    for (const ParsedManifest* image : selected.images) add_image(*image);
    if (const oci::Schema1Manifest* manifest = selection_.schema1()) add_schema1(*manifest);
    if (!plan.is_up_to_date)
      for (const oci::Descriptor& extra : selected.extras) add_extra(extra);
    plan.blobs = std::move(blobs_);
    plan.disk_free_bytes = services_.content.free_bytes();
    return plan;
  }

 private:
  void add_image(const ParsedManifest& image) {
    const auto& manifest = std::get<oci::Manifest>(image.document);
    add(Kind::kManifest, image.descriptor);
    add(Kind::kConfig, manifest.config);
    for (const oci::Descriptor& layer : manifest.layers) add(Kind::kLayer, layer);
  }

  // Its config and the manifest that is kept are made here, and the registry's is fetched whatever is here.
  void add_schema1(const oci::Schema1Manifest& manifest) {
    blobs_.push_back(
        {.kind = Kind::kManifest, .descriptor = selection_.target(), .fetch_bytes = selection_.target().size_bytes});
    try {
      for (const oci::Descriptor& layer : list_schema1_layers(services_, client_, manifest, stop_))
        add(Kind::kLayer, layer);
    } catch (const Error&) {
      rethrow_for_pull(request_.reference);
    }
  }

  // As a pull does it: one that the registry has not got is left out.
  void add_extra(const oci::Descriptor& entry) {
    try {
      const ParsedManifest& extra = documents_.load(entry);
      add(Kind::kAttestation, extra.descriptor);
      const auto* manifest = std::get_if<oci::Manifest>(&extra.document);
      if (manifest == nullptr) return;
      add(Kind::kAttestation, manifest->config);
      for (const oci::Descriptor& layer : manifest->layers) add(Kind::kAttestation, layer);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound) throw;
    }
  }

  void add(Kind kind, const oci::Descriptor& descriptor) {
    if (!seen_.insert(descriptor.digest).second) return;
    PlannedBlob blob{.kind = kind, .descriptor = descriptor};
    if (const auto known = services_.content.find_blob(descriptor.digest, lease_)) {
      blob.reuse_bytes = known->size_bytes;
    } else {
      blob.reuse_bytes = services_.content.find_partial_bytes(descriptor, stop_);
      blob.fetch_bytes = descriptor.size_bytes - blob.reuse_bytes;
    }
    blobs_.push_back(std::move(blob));
  }

  DistributionServices& services_;
  const PullRequest& request_;
  const std::stop_token stop_;
  RegistryClient client_;
  imagestore::Lease lease_;
  DocumentFetch documents_;
  PullSelection selection_;
  std::vector<PlannedBlob> blobs_;
  std::unordered_set<oci::Digest> seen_;
};

// What manifests claim may be more than there is room for.
std::int64_t add_up(const std::vector<PlannedBlob>& blobs, std::int64_t PlannedBlob::*member) {
  std::int64_t total = 0;
  for (const PlannedBlob& blob : blobs)
    if (__builtin_add_overflow(total, blob.*member, &total)) return INT64_MAX;
  return total;
}

}  // namespace

std::int64_t PullPlan::fetch_bytes() const {
  return add_up(blobs, &PlannedBlob::fetch_bytes);
}

std::int64_t PullPlan::reuse_bytes() const {
  return add_up(blobs, &PlannedBlob::reuse_bytes);
}

PullPlan PullPlanner::plan(const PullRequest& request, std::stop_token stop) {
  return Planning(services_, shared_, request, std::move(stop)).make();
}

}  // namespace lighterd::distribution
