// SPDX-License-Identifier: Apache-2.0
#include "api/registry/endpoints.hpp"
#include "api/registry/manifest_check.hpp"
#include "api/registry/manifest_reference.hpp"
#include "api/registry/registry_fault.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "oci/manifest.hpp"

namespace lighterd::api::registry {
namespace {

constexpr std::size_t kMaxTagParameters = 64;

[[noreturn]] void throw_too_large() {
  throw RegistryFault(413, FaultEntry{FaultCode::kManifestInvalid, "manifest is larger than 4 MiB"});
}

std::string read_manifest(RegistryCall& call) {
  const std::string* length = call.request.headers.find("Content-Length");
  const auto claimed = length == nullptr ? std::nullopt : base::parse_unsigned(*length);
  if (claimed && *claimed > oci::kMaxManifestBytes) throw_too_large();
  base::BoundedStringSink body(oci::kMaxManifestBytes, "manifest");
  if (read_body(call, body, oci::kMaxManifestBytes) == BodyEnd::kTooLong) throw_too_large();
  return body.take();
}

std::string read_media_type(const RegistryCall& call) {
  const std::string* header = call.request.headers.find("Content-Type");
  const std::string type = header == nullptr ? "" : oci::media_type::strip_parameters(*header);
  if (oci::media_type::is_manifest(type) || oci::media_type::is_index(type)) return type;
  throw RegistryFault(FaultCode::kManifestInvalid,
                      "unsupported manifest media type and no default available: " + base::printable(type, 256));
}

oci::Document parse_manifest(const std::string& bytes, const std::string& media_type, const std::string& repository) {
  try {
    return oci::parse_document(bytes, media_type, repository);
  } catch (const base::Error& error) {
    throw RegistryFault(FaultCode::kManifestInvalid, "", json_string(error.text()));
  }
}

// The path's tag, or what ?tag= adds to a digest.
std::vector<std::string> read_tags(const RegistryCall& call, const ManifestReference& reference) {
  if (const auto* tag = std::get_if<std::string>(&reference)) return {*tag};
  std::vector<std::string> tags = call.request.query.all("tag");
  if (tags.size() > kMaxTagParameters)
    throw RegistryFault(
        414, FaultEntry{FaultCode::kTagInvalid, "more than " + std::to_string(kMaxTagParameters) + " tags at once"});
  for (const std::string& tag : tags)
    if (!oci::is_valid_tag(tag))
      throw RegistryFault(FaultCode::kTagInvalid, "invalid tag", "{\"tag\":" + json_string(tag) + "}");
  return tags;
}

// Named by the algorithm that the client named it by (trap 11).
oci::Digest check_digest(const std::string& bytes, const ManifestReference& reference) {
  const auto* named = std::get_if<oci::Digest>(&reference);
  const auto algorithm = named == nullptr ? oci::DigestAlgorithm::kSha256 : named->algorithm();
  const oci::Digest digest = oci::digest_of(base::as_bytes(bytes), algorithm);
  if (named != nullptr && *named != digest) throw RegistryFault(FaultCode::kDigestInvalid, "");
  return digest;
}

void throw_if_missing(const std::vector<oci::Digest>& missing) {
  if (missing.empty()) return;
  std::vector<FaultEntry> faults;
  for (const oci::Digest& digest : missing)
    faults.push_back({FaultCode::kManifestBlobUnknown, "", json_string(digest.to_string())});
  throw RegistryFault(std::move(faults));
}

void send_created(RegistryCall& call, const oci::Digest& digest, const oci::Document& document,
                  const std::vector<std::string>& accepted_tags) {
  call.response.set_header("Location", absolute_location(call, "/manifests/" + digest.to_string()));
  call.response.set_header("Docker-Content-Digest", digest.to_string());
  if (const auto* subject = oci::find_subject(document))
    call.response.set_header("OCI-Subject", subject->digest.to_string());
  for (const std::string& tag : accepted_tags) call.response.add_header("OCI-Tag", tag);
  send_empty(call, 201);
}

}  // namespace

void manifest_put(RegistryCall& call) {
  require_writable(call);
  const ManifestReference reference = parse_manifest_reference(call.request.path_parameter("reference"));
  const std::vector<std::string> tags = read_tags(call, reference);
  const std::string bytes = read_manifest(call);
  const std::string media_type = read_media_type(call);
  const oci::Digest digest = check_digest(bytes, reference);
  const oci::Document document = parse_manifest(bytes, media_type, call.path_name);
  check_urls(document);
  check_class(document, call.services.policy.classes, *call.identity, call.path_name);
  RequiredContent required = required_content(document);
  const oci::Descriptor descriptor{
      .media_type = media_type, .digest = digest, .size_bytes = static_cast<std::int64_t>(bytes.size())};
  throw_if_missing(call.services.registry.put_manifest({.repository = call.repository.name,
                                                        .descriptor = descriptor,
                                                        .bytes = bytes,
                                                        .document = document,
                                                        .tags = tags,
                                                        .required_blobs = std::move(required.blobs),
                                                        .required_manifests = std::move(required.manifests)}));
  const bool is_by_digest = std::holds_alternative<oci::Digest>(reference);
  send_created(call, digest, document, is_by_digest ? tags : std::vector<std::string>());
}

void manifest_delete(RegistryCall& call) {
  require_writable(call);
  const ManifestReference reference = parse_manifest_reference(call.request.path_parameter("reference"));
  auto& registry = call.services.registry;
  const auto* tag = std::get_if<std::string>(&reference);
  const bool existed = tag != nullptr
                           ? registry.remove_tag(call.repository.name, *tag)
                           : registry.remove_manifest(call.repository.name, std::get<oci::Digest>(reference));
  if (!existed) throw RegistryFault(FaultCode::kManifestUnknown, "");
  send_empty(call, 202);
}

}  // namespace lighterd::api::registry
