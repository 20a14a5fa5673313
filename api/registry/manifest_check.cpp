// SPDX-License-Identifier: Apache-2.0
#include "api/registry/manifest_check.hpp"

#include <algorithm>

#include "api/registry/registry_call.hpp"
#include "api/registry/registry_fault.hpp"
#include "base/error.hpp"
#include "distribution/url.hpp"

namespace lighterd::api::registry {
namespace {

namespace media_type = oci::media_type;

bool is_fetchable(const std::string& url) {
  try {
    distribution::parse_url(url);
    return url.find('#') == std::string::npos;
  } catch (const base::Error&) {
    return false;
  }
}

bool is_elsewhere(const oci::Descriptor& layer) {
  return media_type::is_foreign_layer(layer.media_type) && !layer.urls.empty();
}

// "image", "plugin"; empty for what has no class, and nothing for what no class is known of.
std::optional<std::string> find_class(const oci::Document& document) {
  const auto* manifest = std::get_if<oci::Manifest>(&document);
  if (manifest == nullptr) return "";
  if (media_type::is_image_config(manifest->config.media_type)) return "image";
  const bool is_schema2 = manifest->media_type == media_type::kDockerManifest;
  if (is_schema2 && manifest->config.media_type == "application/vnd.docker.plugin.v1+json") return "plugin";
  return std::nullopt;
}

bool contains(const std::vector<std::string>& list, const std::string& value) {
  return std::ranges::find(list, value) != list.end();
}

}  // namespace

RequiredContent required_content(const oci::Document& document) {
  RequiredContent required;
  if (const auto* manifest = std::get_if<oci::Manifest>(&document)) {
    required.blobs.push_back(manifest->config.digest);
    for (const oci::Descriptor& layer : manifest->layers)
      if (!is_elsewhere(layer)) required.blobs.push_back(layer.digest);
    return required;
  }
  const auto& index = std::get<oci::Index>(document);
  if (index.media_type == media_type::kDockerList)
    for (const oci::Descriptor& entry : index.manifests) required.manifests.push_back(entry.digest);
  return required;
}

void check_urls(const oci::Document& document) {
  const auto* manifest = std::get_if<oci::Manifest>(&document);
  if (manifest == nullptr) return;
  std::vector<FaultEntry> faults;
  for (const oci::Descriptor& layer : manifest->layers) {
    if (!is_elsewhere(layer) || std::ranges::all_of(layer.urls, is_fetchable)) continue;
    faults.push_back({FaultCode::kManifestInvalid, "invalid URL on layer", json_string(layer.digest.to_string())});
  }
  if (!faults.empty()) throw RegistryFault(std::move(faults));
}

void check_class(const oci::Document& document, const std::vector<std::string>& classes, const Identity& identity,
                 const std::string& repository) {
  if (classes.empty()) return;
  const auto found = find_class(document);
  if (!found) {
    const std::string& type = std::get<oci::Manifest>(document).config.media_type;
    throw RegistryFault(FaultCode::kDenied, "unknown manifest class for " + type);
  }
  if (found->empty()) return;
  if (!contains(classes, *found))
    throw RegistryFault(FaultCode::kDenied, "registry does not allow " + *found + " manifest");
  const std::vector<std::string> granted = identity.classes_of(repository);
  const bool is_granted = std::ranges::any_of(
      granted, [&](const std::string& each) { return each == *found || (each.empty() && *found == "image"); });
  if (!granted.empty() && !is_granted)
    throw RegistryFault(FaultCode::kDenied, "repository not authorized for " + *found + " manifest");
}

}  // namespace lighterd::api::registry
