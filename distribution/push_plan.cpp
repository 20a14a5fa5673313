// SPDX-License-Identifier: Apache-2.0
#include "distribution/push_plan.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace lighterd::distribution {
namespace {

class PlanBuilder {
 public:
  PlanBuilder(imagestore::ContentStore& content, const imagestore::Lease& lease, const PushPlanOptions& options)
      : content_(content), lease_(lease), options_(options) {}

  // False, and nothing added, if something below the document is missing.
  bool add(const oci::Descriptor& descriptor, int depth = 0) {
    if (visited_.contains(descriptor.digest)) return true;
    const auto absent = absent_.find(descriptor.digest);
    if (absent != absent_.end() && absent->second <= depth) return false;
    const std::size_t blobs = plan_.blobs.size();
    const std::size_t documents = plan_.documents.size();
    if (add_document(descriptor, depth)) {
      visited_.insert(descriptor.digest);
      return true;
    }
    for (std::size_t i = blobs; i < plan_.blobs.size(); ++i) visited_.erase(plan_.blobs[i].digest);
    for (std::size_t i = documents; i < plan_.documents.size(); ++i)
      visited_.erase(plan_.documents[i].descriptor.digest);
    plan_.blobs.erase(plan_.blobs.begin() + static_cast<std::ptrdiff_t>(blobs), plan_.blobs.end());
    plan_.documents.erase(plan_.documents.begin() + static_cast<std::ptrdiff_t>(documents), plan_.documents.end());
    absent_.insert_or_assign(descriptor.digest, depth);
    return false;
  }

  PushPlan take() { return std::move(plan_); }

 private:
  bool add_document(const oci::Descriptor& descriptor, int depth) {
    if (depth > oci::kMaxIndexDepth || !content_.find_blob(descriptor.digest, lease_)) return false;
    std::string bytes = content_.read_blob(descriptor.digest, oci::kMaxManifestBytes);
    const oci::Document document = oci::parse_document(bytes, descriptor.media_type, descriptor.digest.to_string());
    const auto* index = std::get_if<oci::Index>(&document);
    if (index != nullptr ? !add_index(*index, depth) : !add_manifest(std::get<oci::Manifest>(document))) return false;
    oci::Descriptor exact = descriptor;
    exact.media_type = oci::media_type_of(document);
    const auto subject = std::visit([](const auto& each) { return each.subject; }, document);
    plan_.documents.push_back(
        {std::move(exact), std::move(bytes), subject ? std::optional(subject->digest) : std::nullopt});
    return true;
  }

  bool add_index(const oci::Index& index, int depth) {
    return std::ranges::all_of(index.manifests,
                               [&](const auto& child) { return add(child, depth + 1) || is_there(child.digest); });
  }

  bool is_there(const oci::Digest& digest) {
    if (!options_.is_there) return false;
    const auto known = there_.find(digest);
    return known != there_.end() ? known->second : there_.emplace(digest, options_.is_there(digest)).first->second;
  }

  bool add_manifest(const oci::Manifest& manifest) {
    return add_blob(manifest.config) && std::ranges::all_of(manifest.layers, [&](const auto& layer) {
             if (!oci::media_type::is_foreign_layer(layer.media_type)) return add_blob(layer);
             if (options_.sends_foreign_layers) add_blob(layer);
             return true;
           });
  }

  bool add_blob(const oci::Descriptor& blob) {
    if (visited_.contains(blob.digest)) return true;
    const auto known = content_.find_blob(blob.digest, lease_);
    if (!known) return false;
    imagestore::require_size(blob, known->size_bytes);
    plan_.blobs.push_back(blob);
    visited_.insert(blob.digest);
    return true;
  }

  imagestore::ContentStore& content_;
  const imagestore::Lease& lease_;
  const PushPlanOptions& options_;
  PushPlan plan_;
  std::unordered_set<oci::Digest> visited_;  // what the plan has
  // An index may name the same document any number of times.
  std::unordered_map<oci::Digest, int> absent_;  // the least depth at which it was not whole: it may be cut by depth
  std::unordered_map<oci::Digest, bool> there_;
};

}  // namespace

std::optional<PushPlan> make_push_plan(imagestore::ContentStore& content, const imagestore::Lease& lease,
                                       const oci::Descriptor& root, const PushPlanOptions& options) {
  PlanBuilder builder(content, lease, options);
  if (!builder.add(root)) return std::nullopt;
  return builder.take();
}

}  // namespace lighterd::distribution
