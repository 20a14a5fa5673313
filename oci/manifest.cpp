// SPDX-License-Identifier: Apache-2.0
#include "oci/manifest.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/json_keys.hpp"

namespace lighterd::oci {
namespace {

using base::Error;
using base::ErrorCode;
using base::Json;

constexpr std::size_t kMaxValues = 200'000;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kInvalidArgument, why);
}

[[noreturn]] void refuse_schema1(std::string_view reference) {
  refuse(
      "Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the "
      "author of " +
      std::string(reference) +
      " to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. More information at "
      "https://docs.docker.com/go/deprecated-image-specs/");
}

[[noreturn]] void refuse_type(std::string_view type) {
  refuse("unsupported manifest media type: " + base::printable(type, 256));
}

bool is_document(std::string_view type) {
  return media_type::is_manifest(type) || media_type::is_index(type) || media_type::is_schema1(type);
}

// Null counts as absent, as it does for every reader.
bool has(const Json& root, std::string_view key) {
  const auto member = root.find(key);
  return member != root.end() && !member->is_null();
}

// A6: the type that was given if it is one of ours, else the body's, else what the members suggest. Schema 1 types
// come back as such.
std::string choose_type(const Json& root, std::string_view given) {
  std::string own = base::find_string(root, "mediaType").value_or("");
  if (is_document(given)) {
    if (!own.empty() && own != given)
      refuse("if present, mediaType in manifest should be '" + std::string(given) + "' not '" +
             base::printable(own, 256) + "'");
    return std::string(given);
  }
  if (media_type::is_layer(given) || media_type::is_image_config(given)) refuse_type(given);
  if (!own.empty()) {
    if (!is_document(own)) refuse_type(own);
    return own;
  }
  const bool manifest = has(root, "config") || has(root, "layers");
  if (manifest) return std::string(media_type::kOciManifest);
  if (root.contains("manifests")) return std::string(media_type::kOciIndex);
  if (root.contains("fsLayers")) return std::string(media_type::kDockerSchema1);
  refuse("manifest has neither config, layers nor manifests");
}

// One digest must not be readable as two kinds of document (CVE-2021-41190).
void refuse_confusion(const Json& root, const std::string& type) {
  if (root.contains("fsLayers")) refuse("media-type: schema 1 not supported (" + type + ")");
  if (media_type::is_manifest(type) && has(root, "manifests"))
    refuse("media-type: expected manifest but found index (" + type + ")");
  if (media_type::is_index(type) && (has(root, "config") || has(root, "layers")))
    refuse("media-type: expected index but found manifest (" + type + ")");
}

Descriptor read_descriptor(const Json& object, const std::string& path) {
  try {
    return descriptor_from_json(object);
  } catch (Error& error) {
    error.add_context(path);
    throw;
  }
}

std::optional<Descriptor> find_descriptor(const Json& root, const std::string& key) {
  const Json* object = base::find_object(root, key);
  if (object == nullptr) return std::nullopt;
  return read_descriptor(*object, key);
}

std::vector<Descriptor> find_descriptors(const Json& root, const std::string& key) {
  std::vector<Descriptor> descriptors;
  const Json* array = base::find_array(root, key);
  if (array == nullptr) return descriptors;
  if (array->size() > kMaxDescriptors)
    refuse("\"" + key + "\" has more than " + std::to_string(kMaxDescriptors) + " entries");
  descriptors.reserve(array->size());
  for (const Json& element : *array)
    descriptors.push_back(read_descriptor(element, key + "[" + std::to_string(descriptors.size()) + "]"));
  return descriptors;
}

// What no reader here depends on is no reason to refuse a document.
std::map<std::string, std::string> string_annotations(const Json& root) {
  std::map<std::string, std::string> annotations;
  const auto members = root.find("annotations");
  if (members == root.end() || !members->is_object()) return annotations;
  for (const auto& [key, value] : members->items())
    if (value.is_string()) annotations.emplace(key, value.get<std::string>());
  return annotations;
}

Manifest read_manifest(const Json& root, std::string type) {
  auto config = find_descriptor(root, "config");
  if (!config) refuse("\"config\" is missing");
  Manifest manifest{.media_type = std::move(type),
                    .artifact_type = base::find_string(root, "artifactType").value_or(""),
                    .config = *std::move(config),
                    .layers = find_descriptors(root, "layers"),
                    .subject = find_descriptor(root, "subject"),
                    .annotations = string_annotations(root)};
  if (manifest.is_image() && manifest.layers.size() > kMaxLayers)
    refuse("more than " + std::to_string(kMaxLayers) + " layers");
  return manifest;
}

Index read_index(const Json& root, std::string type) {
  return {.media_type = std::move(type),
          .artifact_type = base::find_string(root, "artifactType").value_or(""),
          .manifests = find_descriptors(root, "manifests"),
          .subject = find_descriptor(root, "subject"),
          .annotations = string_annotations(root)};
}

Document read_document(const Json& root, std::string_view given, std::string_view reference) {
  refuse_case_variants(root, {"schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject",
                              "annotations", "fsLayers"});
  const auto version = base::find_integer(root, "schemaVersion");
  if (version && *version != 1 && *version != 2)
    refuse("unrecognized Docker image manifest schema " + std::to_string(*version));
  std::string type = choose_type(root, given);
  if (media_type::is_schema1(type)) refuse_schema1(reference);
  refuse_confusion(root, type);
  if (!version) refuse("\"schemaVersion\" is missing");
  if (*version != 2) refuse("unsupported schemaVersion " + std::to_string(*version));
  if (media_type::is_index(type)) return read_index(root, std::move(type));
  return read_manifest(root, std::move(type));
}

}  // namespace

bool Manifest::is_image() const {
  if (media_type::is_image_config(config.media_type)) return true;
  // What old clients pushed as the config's type of a schema 2 image, and Docker takes.
  constexpr std::array<std::string_view, 4> kLegacy = {"", "application/octet-stream", "application/json", "text/html"};
  return media_type == media_type::kDockerManifest && std::ranges::find(kLegacy, config.media_type) != kLegacy.end();
}

bool Manifest::is_pseudo_image() const {
  return !layers.empty() &&
         std::ranges::none_of(layers, [](const Descriptor& layer) { return media_type::is_layer(layer.media_type); });
}

Document parse_document(std::string_view bytes, std::string_view media_type, std::string_view reference_for_errors) {
  if (media_type::is_schema1(media_type)) refuse_schema1(reference_for_errors);
  const Json root =
      base::parse_json(bytes, "manifest", {.max_bytes = kMaxManifestBytes, .max_depth = 64, .max_values = kMaxValues});
  return read_document(root, media_type, reference_for_errors);
}

const std::string& media_type_of(const Document& document) {
  return std::visit([](const auto& value) -> const std::string& { return value.media_type; }, document);
}

const Descriptor* find_subject(const Document& document) {
  return std::visit([](const auto& value) { return value.subject ? &*value.subject : nullptr; }, document);
}

Descriptor referrer_descriptor(const Document& document, Descriptor descriptor) {
  std::visit(
      [&](const auto& value) {
        descriptor.artifact_type = value.artifact_type;
        descriptor.annotations = value.annotations;
      },
      document);
  const auto* manifest = std::get_if<Manifest>(&document);
  if (manifest != nullptr && descriptor.artifact_type.empty()) descriptor.artifact_type = manifest->config.media_type;
  return descriptor;
}

const Descriptor* find_platform(const Index& index, const PlatformMatcher& matcher) {
  const Descriptor* best = nullptr;
  std::size_t best_rank = 0;
  for (const Descriptor& entry : index.manifests) {
    if (is_attestation(entry)) continue;
    const auto rank = entry.platform ? matcher.rank(*entry.platform) : SIZE_MAX;
    if (!rank || (best != nullptr && *rank >= best_rank)) continue;
    best = &entry;
    best_rank = *rank;
  }
  return best;
}

}  // namespace lighterd::oci
