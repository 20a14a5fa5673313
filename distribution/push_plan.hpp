// SPDX-License-Identifier: Apache-2.0
// What has to be sent so that a manifest or an index is whole in a repository, and in which order. Sends nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "imagestore/content_store.hpp"
#include "oci/manifest.hpp"

namespace lighterd::distribution {

// A document to put, after everything that it points to.
struct PushDocument {
  oci::Descriptor descriptor;
  std::string bytes;
  std::optional<oci::Digest> subject;
};

// Blobs in any order, then documents in this order, the last one by tag.
struct PushPlan {
  std::vector<oci::Descriptor> blobs;
  std::vector<PushDocument> documents;
};

struct PushPlanOptions {
  // Of an index: whether the repository has a child that is not whole here.
  std::function<bool(const oci::Digest& manifest)> is_there;
  // Foreign layers that are here are sent like others; otherwise they are where their descriptor says.
  bool sends_foreign_layers = false;
};

// Leases all that the plan names. Nothing if something is missing here and there; throws as ContentStore::read_blob and
// oci::parse_document, and what is_there throws.
std::optional<PushPlan> make_push_plan(imagestore::ContentStore& content, const imagestore::Lease& lease,
                                       const oci::Descriptor& root, const PushPlanOptions& options);

}  // namespace lighterd::distribution
