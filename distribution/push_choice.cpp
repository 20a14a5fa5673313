// SPDX-License-Identifier: Apache-2.0
#include "distribution/push_choice.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"
#include "base/json.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;
using imagestore::ImageRecord;
using imagestore::ImageVariant;
using imagestore::ManifestEntry;

namespace {

std::vector<std::string> list_platforms(const std::vector<ImageVariant>& variants) {
  std::vector<std::string> names;
  for (const ImageVariant& variant : variants) names.push_back(oci::to_string(variant.platform));
  return names;
}

// Matched strictly: what is pushed by a platform's name has to be that platform.
const ImageVariant& get_variant(const std::vector<ImageVariant>& variants, const oci::Platform& platform,
                                const oci::Reference& name) {
  const auto matcher = oci::PlatformMatcher::only_strict(platform);
  const ImageVariant* found = nullptr;
  for (const ImageVariant& variant : variants) {
    if (!matcher.matches(variant.platform)) continue;
    if (found != nullptr)
      throw Error(ErrorCode::kConflict, "multiple manifests found for platform " + oci::to_string(platform));
    found = &variant;
  }
  if (found != nullptr) return *found;
  const std::string wanted = oci::to_string(platform);
  throw PlatformMissing("image with reference " + name.familiar() +
                            " was found but does not provide the specified platform (" + wanted + ")",
                        wanted, list_platforms(variants));
}

std::string describe(const ManifestEntry& entry) {
  const std::string digest = entry.digest.to_string();
  if (entry.kind == ManifestEntry::Kind::kAttestation) return "the attestation of " + entry.described;
  if (entry.kind == ManifestEntry::Kind::kOther) return digest;
  const auto platform = oci::platform_from_json(base::parse_json(entry.platform_json, "platform"));
  return oci::to_string(platform) + " (" + digest + ")";
}

}  // namespace

ChosenPush PushChoice::choose(const ImageRecord& image, const oci::Reference& name, const PlatformChoice& platforms) {
  switch (platforms.kind()) {
    case PlatformChoice::Kind::kDefault:
      return choose_default(image);
    case PlatformChoice::Kind::kAll:
      return choose_all(image, name);
    case PlatformChoice::Kind::kThese:
      return choose_these(image, name, platforms.platforms());
  }
  throw Error(ErrorCode::kInternal, "unknown choice of platforms");
}

ChosenPush PushChoice::choose_default(const ImageRecord& image) {
  if (auto whole = find_plan(image.target)) return {*std::move(whole)};
  const auto host = oci::PlatformMatcher::only(services_.host);
  auto variants = services_.images.list_variants(image.target.digest);
  std::erase_if(variants, [&](const auto& variant) { return variant.descriptor.digest == image.target.digest; });
  std::ranges::stable_sort(variants, {}, [&](const ImageVariant& variant) {
    return host.rank(variant.platform).value_or(std::numeric_limits<std::size_t>::max());
  });
  std::optional<ChosenPush> only;
  for (const ImageVariant& variant : variants) {
    auto plan = find_plan(variant.descriptor);
    if (!plan) continue;
    if (only) throw Error(ErrorCode::kConflict, "multiple matching manifests found but no specific platform requested");
    only = ChosenPush{*std::move(plan), variant.descriptor};
    if (host.matches(variant.platform)) break;
  }
  if (only) return *std::move(only);
  throw ContentMissing(image.target, "content of " + image.target.digest.to_string() + " is not complete here");
}

ChosenPush PushChoice::choose_all(const ImageRecord& image, const oci::Reference& name) {
  if (auto whole = find_plan(image.target)) return {*std::move(whole)};
  std::string missing;
  for (const ManifestEntry& entry : services_.images.list_entries(image.target.digest)) {
    if (entry.is_complete || (options_.is_there && options_.is_there(entry.digest))) continue;
    missing += (missing.empty() ? "" : ", ") + describe(entry);
  }
  throw ContentMissing(image.target, "not all platforms of " + name.familiar() + " are here; missing: " +
                                         (missing.empty() ? image.target.digest.to_string() : missing));
}

ChosenPush PushChoice::choose_these(const ImageRecord& image, const oci::Reference& name,
                                    const std::vector<oci::Platform>& platforms) {
  const auto variants = services_.images.list_variants(image.target.digest);
  std::vector<oci::Descriptor> chosen;
  for (const oci::Platform& platform : platforms) {
    const oci::Descriptor& manifest = get_variant(variants, platform, name).descriptor;
    if (std::ranges::find(chosen, manifest) == chosen.end()) chosen.push_back(manifest);
  }
  if (platforms.size() == 1 || chosen.front().digest == image.target.digest) return {get_plan(chosen.front())};
  return {get_plan(put_index(image, chosen))};
}

// The new index is kept as long as anything that nothing needs.
oci::Descriptor PushChoice::put_index(const ImageRecord& image, const std::vector<oci::Descriptor>& manifests) {
  const auto is_chosen = [&](const std::string& digest) {
    return std::ranges::any_of(manifests, [&](const auto& manifest) { return manifest.digest.to_string() == digest; });
  };
  nlohmann::ordered_json index = {{"schemaVersion", 2}, {"mediaType", image.target.media_type}};
  index["manifests"] = nlohmann::ordered_json::array();
  const auto entries = services_.images.list_entries(image.target.digest);
  for (const ManifestEntry& entry : entries) {
    const bool describes = entry.kind == ManifestEntry::Kind::kAttestation && entry.is_complete;
    if (is_chosen(describes ? entry.described : entry.digest.to_string()))
      index["manifests"].push_back(nlohmann::ordered_json::parse(entry.descriptor_json));
  }
  if (index["manifests"].size() == entries.size()) return image.target;
  const std::string bytes = base::to_text(index);
  const oci::Descriptor descriptor{.media_type = image.target.media_type,
                                   .digest = oci::digest_of(base::as_bytes(bytes)),
                                   .size_bytes = static_cast<std::int64_t>(bytes.size())};
  if (!services_.content.find_blob(descriptor.digest, lease_)) services_.content.put_blob(descriptor, bytes, lease_);
  return descriptor;
}

std::optional<PushPlan> PushChoice::find_plan(const oci::Descriptor& descriptor) {
  return make_push_plan(services_.content, lease_, descriptor, options_);
}

PushPlan PushChoice::get_plan(const oci::Descriptor& descriptor) {
  if (auto plan = find_plan(descriptor)) return *std::move(plan);
  throw ContentMissing(descriptor, "content of " + descriptor.digest.to_string() + " is not complete here");
}

}  // namespace lighterd::distribution
