// SPDX-License-Identifier: Apache-2.0
#include "api/registry/accept_types.hpp"
#include "api/registry/endpoints.hpp"
#include "api/registry/manifest_reference.hpp"
#include "api/registry/registry_fault.hpp"
#include "oci/manifest.hpp"

namespace lighterd::api::registry {
namespace {

namespace media_type = oci::media_type;

struct ServedManifest {
  oci::Descriptor descriptor;
  std::optional<std::string> stale;
};

[[noreturn]] void throw_unknown(const ManifestReference& reference) {
  const auto* tag = std::get_if<std::string>(&reference);
  const std::string detail = tag != nullptr
                                 ? "{\"tag\":" + json_string(*tag) + "}"
                                 : "{\"digest\":" + json_string(std::get<oci::Digest>(reference).to_string()) + "}";
  throw RegistryFault(FaultCode::kManifestUnknown, "", detail);
}

ServedManifest find_upstream_manifest(RegistryCall& call, const distribution::UpstreamCall& upstream,
                                      const ManifestReference& reference) {
  auto& cache = call.services.upstream;
  const auto* tag = std::get_if<std::string>(&reference);
  auto cached = tag != nullptr ? cache.get_by_tag(upstream, *tag, call.request.stop)
                               : cache.get_by_digest(upstream, std::get<oci::Digest>(reference), call.request.stop);
  return {std::move(cached.descriptor), std::move(cached.stale)};
}

// Our own question what another registry's tag stands for: what we believed so far must not be the answer.
bool is_answered_elsewhere(const RegistryCall& call) {
  return call.repository.is_own_request && find_namespace(call) &&
         call.services.registry.find_repository(call.repository.name) != imagestore::RepositoryKind::kPushed;
}

ServedManifest get_manifest(RegistryCall& call, const ManifestReference& reference) {
  if (const auto upstream = find_upstream(call)) return find_upstream_manifest(call, *upstream, reference);
  auto& registry = call.services.registry;
  if (const auto* tag = std::get_if<std::string>(&reference)) {
    if (is_answered_elsewhere(call)) throw_unknown(reference);
    auto found = registry.find_tag(call.repository.name, *tag);
    if (!found) throw_unknown(reference);
    return {std::move(found->target), std::nullopt};
  }
  auto found = registry.find_manifest(call.repository.name, std::get<oci::Digest>(reference));
  if (!found) throw_unknown(reference);
  return {*std::move(found), std::nullopt};
}

std::string read_manifest(RegistryCall& call, const oci::Descriptor& descriptor) {
  return call.services.content.read_blob(descriptor.digest, oci::kMaxManifestBytes);
}

// Of clients from before lists: they get what they would run (B2).
bool wants_list_resolved(const ManifestReference& reference, const std::string& type, const AcceptTypes& accept) {
  return std::holds_alternative<std::string>(reference) && type == media_type::kDockerList && !accept.docker_list;
}

oci::Digest default_platform(const std::string& list) {
  const oci::Document document = oci::parse_document(list, media_type::kDockerList, "manifest");
  for (const oci::Descriptor& entry : std::get<oci::Index>(document).manifests)
    if (entry.platform && entry.platform->os == "linux" && entry.platform->architecture == "amd64") return entry.digest;
  throw RegistryFault(FaultCode::kManifestUnknown, "manifest list found, but it has no manifest for linux/amd64");
}

ServedManifest resolve_list(RegistryCall& call, const ServedManifest& list, const AcceptTypes& accept) {
  const oci::Digest child = default_platform(read_manifest(call, list.descriptor));
  ServedManifest manifest = get_manifest(call, child);
  if (manifest.descriptor.media_type == media_type::kDockerManifest && !accept.schema2)
    throw RegistryFault(FaultCode::kManifestInvalid, "Schema 2 manifest not supported by client");
  manifest.stale = list.stale;
  return manifest;
}

// schema 2 is for everybody (B2).
void require_accepted(const std::string& type, const AcceptTypes& accept) {
  if (type == media_type::kOciManifest && !accept.oci_manifest)
    throw RegistryFault(FaultCode::kManifestUnknown,
                        "OCI manifest found, but accept header does not support OCI manifests");
  if (type == media_type::kOciIndex && !accept.oci_index)
    throw RegistryFault(FaultCode::kManifestUnknown, "OCI index found, but accept header does not support OCI indexes");
}

void send_manifest(RegistryCall& call, const oci::Descriptor& descriptor) {
  set_digest_headers(call, descriptor.digest);
  call.status = 200;
  if (call.request.method != "HEAD")
    return call.response.send(200, descriptor.media_type, read_manifest(call, descriptor));
  call.response.set_header("Content-Length", std::to_string(descriptor.size_bytes));
  call.response.send(200, descriptor.media_type, "");
}

}  // namespace

void manifest_get(RegistryCall& call) {
  const ManifestReference reference = parse_manifest_reference(call.request.path_parameter("reference"));
  ServedManifest manifest = get_manifest(call, reference);
  set_stale_warning(call, manifest.stale);
  if (is_not_modified(call.request.headers, manifest.descriptor.digest)) {
    set_digest_headers(call, manifest.descriptor.digest);
    return send_empty(call, 304);
  }
  const AcceptTypes accept = parse_accept(call.request.headers);
  if (wants_list_resolved(reference, manifest.descriptor.media_type, accept))
    manifest = resolve_list(call, manifest, accept);
  require_accepted(manifest.descriptor.media_type, accept);
  send_manifest(call, manifest.descriptor);
}

}  // namespace lighterd::api::registry
