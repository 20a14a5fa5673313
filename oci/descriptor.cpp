// SPDX-License-Identifier: Apache-2.0
#include "oci/descriptor.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/json_keys.hpp"

namespace lighterd::oci {

using base::Error;
using base::ErrorCode;
using base::Json;

namespace media_type {
namespace {

constexpr std::array<std::string_view, 6> kPlainLayers = {
    "application/vnd.docker.image.rootfs.diff.tar",      kDockerLayerGzip,
    "application/vnd.docker.image.rootfs.diff.tar.zstd", "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",       "application/vnd.oci.image.layer.v1.tar+zstd",
};

constexpr std::array<std::string_view, 5> kForeignLayers = {
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
};

}  // namespace

bool is_index(std::string_view type) {
  return type == kDockerList || type == kOciIndex;
}
bool is_manifest(std::string_view type) {
  return type == kDockerManifest || type == kOciManifest;
}
bool is_schema1(std::string_view type) {
  return type == kDockerSchema1 || type == kDockerSchema1Signed;
}
bool is_image_config(std::string_view type) {
  return type == kDockerConfig || type == kOciConfig;
}

bool is_layer(std::string_view type) {
  return std::ranges::find(kPlainLayers, type) != kPlainLayers.end() || is_foreign_layer(type);
}

bool is_foreign_layer(std::string_view type) {
  return std::ranges::find(kForeignLayers, type) != kForeignLayers.end();
}

std::string strip_parameters(std::string_view content_type) {
  return base::to_lower(base::trim(content_type.substr(0, content_type.find(';'))));
}

}  // namespace media_type

namespace {

const std::string kReferenceType = "vnd.docker.reference.type";

std::map<std::string, std::string> find_string_map(const Json& object, std::string_view key) {
  std::map<std::string, std::string> values;
  const Json* members = base::find_object(object, key);
  if (members == nullptr) return values;
  for (const auto& [name, value] : members->items()) values[name] = base::find_string(*members, name).value_or("");
  return values;
}

// Of either kind, with the platform as that kind has it.
template <typename Object, typename MakePlatform>
Object make_object(const Descriptor& descriptor, MakePlatform make_platform) {
  Object object = {
      {"mediaType", descriptor.media_type}, {"digest", descriptor.digest.to_string()}, {"size", descriptor.size_bytes}};
  if (!descriptor.urls.empty()) object["urls"] = descriptor.urls;
  if (!descriptor.annotations.empty()) object["annotations"] = descriptor.annotations;
  if (descriptor.platform) object["platform"] = make_platform(*descriptor.platform);
  if (!descriptor.artifact_type.empty()) object["artifactType"] = descriptor.artifact_type;
  return object;
}

}  // namespace

Descriptor descriptor_from_json(const Json& object) {
  refuse_case_variants(object,
                       {"mediaType", "digest", "size", "annotations", "platform", "urls", "artifactType", "data"});
  Descriptor descriptor{
      .media_type = base::find_string(object, "mediaType").value_or(""),
      .digest = parse_digest(base::get_string(object, "digest")),
      .size_bytes = base::get_integer(object, "size"),
      .annotations = find_string_map(object, "annotations"),
      .platform = std::nullopt,
      .urls = base::find_string_array(object, "urls"),
      .artifact_type = base::find_string(object, "artifactType").value_or(""),
  };
  if (descriptor.size_bytes < 0) throw Error(ErrorCode::kInvalidArgument, "\"size\" must not be negative");
  if (const Json* platform = base::find_object(object, "platform")) descriptor.platform = platform_from_json(*platform);
  return descriptor;
}

Json to_json(const Descriptor& descriptor) {
  return make_object<Json>(descriptor, [](const Platform& platform) { return to_json(platform); });
}

nlohmann::ordered_json to_ordered_json(const Descriptor& descriptor) {
  return make_object<nlohmann::ordered_json>(descriptor,
                                             [](const Platform& platform) { return to_ordered_json(platform); });
}

EntryKind entry_kind(const Descriptor& entry) {
  const auto type = entry.annotations.find(kReferenceType);
  if (type != entry.annotations.end() && type->second == "attestation-manifest") return EntryKind::kAttestation;
  if (is_attestation(entry)) return EntryKind::kOther;
  return media_type::is_index(entry.media_type) ? EntryKind::kIndex : EntryKind::kImage;
}

std::string described_digest(const Descriptor& entry) {
  const auto digest = entry.annotations.find("vnd.docker.reference.digest");
  return digest == entry.annotations.end() ? std::string() : digest->second;
}

bool is_attestation(const Descriptor& descriptor) {
  if (descriptor.annotations.contains(kReferenceType)) return true;
  return descriptor.platform && descriptor.platform->os == "unknown" && descriptor.platform->architecture == "unknown";
}

}  // namespace lighterd::oci
