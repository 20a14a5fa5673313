// SPDX-License-Identifier: Apache-2.0
#include "api/engine/manifest_summary.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "api/engine/image_json.hpp"
#include "api/engine/stored_content.hpp"
#include "base/error.hpp"

namespace lighterd::api {

using imagestore::ContentStore;
using imagestore::ImageRecord;
using imagestore::ImageVariant;
using Ordered = nlohmann::ordered_json;

namespace {

// The entries of an index and of the indexes in it that are here, in order.
void collect_entries(const ContentStore& content, const oci::Index& index, int depth,
                     std::vector<oci::Descriptor>& entries) {
  for (const oci::Descriptor& entry : index.manifests) {
    if (entries.size() >= oci::kMaxDescriptors) return;
    if (!oci::media_type::is_index(entry.media_type)) {
      entries.push_back(entry);
      continue;
    }
    if (depth >= oci::kMaxIndexDepth) continue;
    try {
      const oci::Document nested = read_document(content, entry);
      if (const auto* below = std::get_if<oci::Index>(&nested)) collect_entries(content, *below, depth + 1, entries);
    } catch (const base::Error& error) {
      // Its platforms were not wanted: it was not fetched.
      if (error.code() != base::ErrorCode::kNotFound) throw;
    }
  }
}

std::vector<oci::Descriptor> list_entries(const ContentStore& content, const ImageRecord& image) {
  if (!oci::media_type::is_index(image.target.media_type)) return {image.target};
  const oci::Document document = read_document(content, image.target);
  std::vector<oci::Descriptor> entries;
  if (const auto* index = std::get_if<oci::Index>(&document)) collect_entries(content, *index, 1, entries);
  return entries;
}

Ordered summary(const oci::Descriptor& entry, const VariantContent& here, const char* kind) {
  return {{"ID", entry.digest.to_string()},
          {"Descriptor", descriptor_json(entry)},
          {"Available", here.is_complete},
          {"Size", {{"Content", here.present_bytes}, {"Total", here.present_bytes}}},
          {"Kind", kind}};
}

Ordered image_summary(const oci::Descriptor& entry, const VariantContent& here, const oci::Platform& platform) {
  Ordered object = summary(entry, here, "image");
  object["ImageData"] = {
      {"Platform", platform_json(platform)}, {"Size", {{"Unpacked", 0}}}, {"Containers", Ordered::array()}};
  return object;
}

VariantContent measure_other(ContentStore& content, const oci::Descriptor& entry) {
  if (!content.find_blob(entry.digest)) return {.is_complete = false, .present_bytes = 0};
  const oci::Document document = read_document(content, entry);
  if (const auto* manifest = std::get_if<oci::Manifest>(&document)) return measure_variant(content, entry, *manifest);
  return {};
}

Ordered summarize(ContentStore& content, const oci::Descriptor& entry, const ImageVariant* variant) {
  if (variant != nullptr && !oci::is_attestation(entry))
    return image_summary(entry, measure_variant(content, entry, read_manifest(content, variant->descriptor)),
                         variant->platform);
  const VariantContent here = measure_other(content, entry);
  if (const auto type = entry.annotations.find("vnd.docker.reference.type"); type != entry.annotations.end()) {
    if (type->second != "attestation-manifest") return summary(entry, here, "unknown");
    Ordered object = summary(entry, here, "attestation");
    const auto subject = entry.annotations.find("vnd.docker.reference.digest");
    object["AttestationData"]["For"] = subject == entry.annotations.end() ? "" : subject->second;
    return object;
  }
  if (!entry.platform || oci::is_attestation(entry)) return summary(entry, here, "unknown");
  return image_summary(entry, here, *entry.platform);
}

// Manifests, configs and layers of its platforms.
std::vector<oci::Digest> list_parts(const ContentStore& content, imagestore::ImageStore& images,
                                    const oci::Digest& image) {
  std::vector<oci::Digest> parts;
  try {
    for (const ImageVariant& variant : images.list_variants(image)) {
      const oci::Manifest manifest = read_manifest(content, variant.descriptor);
      parts.push_back(variant.descriptor.digest);
      parts.push_back(manifest.config.digest);
      for (const oci::Descriptor& layer : manifest.layers) parts.push_back(layer.digest);
    }
  } catch (const base::Error& error) {
    if (error.code() != base::ErrorCode::kNotFound) throw;
  }
  return parts;
}

}  // namespace

std::string manifest_summaries_json(ContentStore& content, imagestore::ImageStore& images, const ImageRecord& image) {
  const auto variants = images.list_variants(image.target.digest);
  Ordered summaries = Ordered::array();
  for (const oci::Descriptor& entry : list_entries(content, image)) {
    const auto variant =
        std::ranges::find(variants, entry.digest, [](const ImageVariant& v) { return v.descriptor.digest; });
    summaries.push_back(summarize(content, entry, variant == variants.end() ? nullptr : &*variant));
  }
  return summaries.dump(-1, ' ', false, Ordered::error_handler_t::replace);
}

std::map<oci::Digest, std::int64_t> shared_sizes(ContentStore& content, imagestore::ImageStore& images,
                                                 const std::vector<ImageRecord>& all) {
  std::map<oci::Digest, std::set<oci::Digest>> owners;
  for (const ImageRecord& image : all)
    for (const oci::Digest& digest : list_parts(content, images, image.target.digest))
      owners[digest].insert(image.target.digest);
  std::map<oci::Digest, std::int64_t> shared;
  for (const ImageRecord& image : all) shared[image.target.digest] = 0;
  for (const auto& [digest, sharers] : owners) {
    if (sharers.size() < 2) continue;
    const auto blob = content.find_blob(digest);
    for (const oci::Digest& image : sharers) shared[image] += blob ? blob->size_bytes : 0;
  }
  return shared;
}

}  // namespace lighterd::api
