// SPDX-License-Identifier: Apache-2.0
// What goes with a name or an ID: engine-api.md section 6.4.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/engine/endpoints.hpp"
#include "api/engine/image_events.hpp"
#include "api/engine/image_variant.hpp"
#include "api/engine/parameters.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;
using imagestore::ImageRecord;
using imagestore::Removal;

enum class Force { kNo, kYes };

oci::Reference digest_reference(const ImageRecord& image, const oci::RepositoryName& repository) {
  return oci::Reference(repository, std::nullopt, image.target.digest);
}

bool has_digest_reference(const ImageRecord& image, const oci::RepositoryName& repository) {
  return std::ranges::find(image.digest_references, repository) != image.digest_references.end();
}

// A tag; digest references of its repository go along with the last tag there.
Removal plan_tag(const ImageRecord& image, const oci::Reference& tag) {
  Removal removal{.image = image.target.digest, .names = {tag}};
  const bool is_last = std::ranges::none_of(image.tags, [&](const oci::Reference& other) {
    return other.repository() == tag.repository() && other.tag() != tag.tag();
  });
  if (is_last && has_digest_reference(image, tag.repository()))
    removal.names.push_back(digest_reference(image, tag.repository()));
  return removal;
}

// name@digest: every name of that repository.
Removal plan_repository(const ImageRecord& image, const oci::RepositoryName& repository) {
  Removal removal{.image = image.target.digest};
  for (const oci::Reference& tag : image.tags)
    if (tag.repository() == repository) removal.names.push_back(tag);
  if (has_digest_reference(image, repository)) removal.names.push_back(digest_reference(image, repository));
  return removal;
}

Removal plan_image(const ImageRecord& image, Force force) {
  const bool ambiguous = image.tags.size() > 1 || image.repositories().size() > 1;
  if (ambiguous && force == Force::kNo)
    throw Error(ErrorCode::kConflict, "conflict: unable to delete " + image.target.digest.short_hex() +
                                          " (must be forced) - image is referenced in multiple repositories");
  Removal removal{.image = image.target.digest, .names = image.tags, .even_if_named = force == Force::kYes};
  for (const auto& repository : image.digest_references) removal.names.push_back(digest_reference(image, repository));
  return removal;
}

// Names win over IDs, as they do in look-up.
Removal plan(EngineCall& call, Force force) {
  imagestore::ImageStore& images = call.services.images;
  const oci::ImageArgument argument = oci::parse_image_argument(call.name());
  if (argument.reference) {
    const oci::Reference reference = argument.reference->with_default_tag();
    if (const auto image = images.find_by_reference(reference))
      return reference.digest() ? plan_repository(*image, reference.repository()) : plan_tag(*image, reference);
  }
  return plan_image(images.get_image(call.name()), force);
}

// Of several that one platform stands for, the best. An image of which all platforms go stays, with its names.
void delete_platforms(EngineCall& call, const std::vector<oci::Platform>& platforms, Force force) {
  if (force == Force::kNo)
    throw Error(ErrorCode::kInvalidArgument,
                "Content will be removed from all images referencing this variant. Use \u2014-force to force delete.");
  imagestore::ImageStore& images = call.services.images;
  const ImageRecord image = images.get_image(call.name());
  std::vector<oci::Digest> manifests;
  for (const oci::Platform& platform : platforms) {
    const auto matcher = oci::PlatformMatcher::only_strict(platform);
    const auto digest = get_variant(images, image, matcher, platform, call.name()).descriptor.digest;
    if (std::ranges::find(manifests, digest) == manifests.end()) manifests.push_back(digest);
  }
  nlohmann::ordered_json items = nlohmann::ordered_json::array();
  for (const oci::Digest& digest : images.remove_variants(manifests))
    items.push_back({{"Deleted", digest.to_string()}});
  send_json(call, 200, items.dump());
}

// Of what was planned, only what was still there: of several clients that remove the same, one does.
std::string result_json(const Removal& removal, const imagestore::RemovalResult& result) {
  nlohmann::ordered_json items = nlohmann::ordered_json::array();
  for (const oci::Reference& name : result.removed_names) items.push_back({{"Untagged", name.familiar()}});
  if (result.image_removed) items.push_back({{"Deleted", removal.image.to_string()}});
  return items.dump();
}

}  // namespace

void images_delete(EngineCall& call) {
  call.subject = call.name();
  if (base::trim(call.name()).empty()) throw Error(ErrorCode::kInvalidArgument, "image name cannot be blank");
  const Force force = get_bool(call.parameters, "force") ? Force::kYes : Force::kNo;
  if (call.version.is_at_least(50)) {
    const auto platforms = list_json_platforms(call.parameters, "platforms");
    if (!platforms.empty()) return delete_platforms(call, platforms, force);
  }
  const Removal removal = plan(call, force);
  const imagestore::RemovalResult result = call.services.images.remove(removal);
  if (result.removed_names.empty() && !result.image_removed)
    throw Error(ErrorCode::kNotFound, "No such image: " + oci::parse_image_argument(call.name()).familiar());
  for (const oci::Reference& name : result.removed_names) add_name_event(call, "untag", removal.image, name);
  if (result.image_removed) add_delete_event(call, removal.image);
  send_json(call, 200, result_json(removal, result));
}

}  // namespace lighterd::api
