// SPDX-License-Identifier: Apache-2.0
#include "oci/image_layout.hpp"

#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/docker_archive.hpp"
#include "oci/json_keys.hpp"
#include "oci/new_name.hpp"

namespace lighterd::oci {
namespace {

using base::Error;
using base::ErrorCode;
using base::Json;

std::string find_annotation(const Descriptor& entry, const std::string& key) {
  const auto found = entry.annotations.find(key);
  return found == entry.annotations.end() ? std::string() : found->second;
}

std::optional<Reference> find_reference(const std::string& text) {
  try {
    return parse_reference(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

void check_layout_version(std::string_view bytes) {
  const Json root = base::parse_json(bytes, "oci-layout", {.max_bytes = std::size_t{64} * 1024, .max_depth = 8});
  const std::string version = base::find_string(root, "imageLayoutVersion").value_or("");
  if (version != "1.0.0")
    throw Error(ErrorCode::kInvalidArgument, "unsupported OCI version " + base::printable(version, 64));
}

std::vector<Descriptor> parse_layout_index(std::string_view bytes) {
  const Json root = base::parse_json(bytes, "index.json", {.max_bytes = kMaxArchiveDocumentBytes});
  try {
    refuse_case_variants(root, {"schemaVersion", "mediaType", "manifests", "config", "layers"});
    if (base::find_integer(root, "schemaVersion").value_or(2) != 2)
      throw Error(ErrorCode::kInvalidArgument, "unsupported schemaVersion");
    const std::string type = base::find_string(root, "mediaType").value_or("");
    if (!type.empty() && !media_type::is_index(type))
      throw Error(ErrorCode::kInvalidArgument, "unsupported media type: " + base::printable(type, 256));
    if (root.contains("config") || root.contains("layers"))
      throw Error(ErrorCode::kInvalidArgument, "expected index but found manifest");
    std::vector<Descriptor> entries;
    const Json* manifests = base::find_array(root, "manifests");
    if (manifests == nullptr) return entries;
    if (manifests->size() > kMaxArchiveImages)
      throw Error(ErrorCode::kInvalidArgument, "more than " + std::to_string(kMaxArchiveImages) + " images");
    for (const Json& entry : *manifests) entries.push_back(descriptor_from_json(entry));
    return entries;
  } catch (Error& error) {
    error.add_context("index.json");
    throw;
  }
}

bool is_about_another(const Descriptor& entry) {
  return entry.annotations.contains(kManifestSubject);
}

std::optional<Reference> find_layout_name(const Descriptor& entry) {
  std::optional<Reference> name;
  if (const std::string full = find_annotation(entry, "io.containerd.image.name"); !full.empty()) {
    name = find_reference(full);
  } else if (const std::string given = find_annotation(entry, "org.opencontainers.image.ref.name");
             given.find_first_of(":@") != std::string::npos) {
    name = find_reference(given);
  }
  if (!name || reads_as_id(*name)) return std::nullopt;
  if (name->tag()) return Reference(name->repository(), name->tag());
  if (!name->digest()) return name->with_default_tag();
  return name->digest() == entry.digest ? name : std::nullopt;
}

}  // namespace lighterd::oci
