// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "api/registry/endpoints.hpp"
#include "api/registry/range_header.hpp"
#include "api/registry/registry_fault.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::api::registry {
namespace {

using imagestore::Upload;

constexpr std::size_t kMaxHolders = 100;
constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

// "0-0" before the first byte (trap 5).
std::string received_range(std::int64_t size_bytes) {
  return "0-" + std::to_string(size_bytes == 0 ? 0 : size_bytes - 1);
}

RegistryFault::Headers session_headers(const RegistryCall& call, const std::string& id, std::int64_t size_bytes) {
  return {{"Location", relative_location(call, "/blobs/uploads/" + id)},
          {"Range", received_range(size_bytes)},
          {"Docker-Upload-UUID", id}};
}

void send_session(RegistryCall& call, int status, const std::string& id, std::int64_t size_bytes) {
  for (auto& [name, value] : session_headers(call, id, size_bytes)) call.response.set_header(name, value);
  send_empty(call, status);
}

void send_blob_created(RegistryCall& call, const oci::Digest& digest) {
  call.response.set_header("Location", absolute_location(call, "/blobs/" + digest.to_string()));
  call.response.set_header("Docker-Content-Digest", digest.to_string());
  send_empty(call, 201);
}

void commit(Upload& upload, const oci::Digest& digest, const std::stop_token& stop) {
  try {
    upload.commit(digest, stop);
  } catch (const base::Error& error) {
    if (error.code() != base::ErrorCode::kDataLoss) throw;
    throw RegistryFault(FaultCode::kDigestInvalid, "", json_string(error.text()));
  }
}

// Whether the blob is in the repository now. Without `from` it may come from wherever the client may pull it (trap 38).
bool mount(RegistryCall& call, const oci::Digest& digest, const std::string* from) {
  auto& registry = call.services.registry;
  const auto link = [&] {
    return registry.link_blob(call.repository.name, imagestore::RepositoryKind::kPushed, digest);
  };
  if (from != nullptr && !from->empty())
    return imagestore::is_valid_repository(*from) && registry.find_blob(*from, digest) && link();
  for (const std::string& holder : registry.list_holders(digest, kMaxHolders)) {
    const Permission permission{Permission::Kind::kRepository, holder, Action::kPull};
    if (call.identity->may(permission)) return link();
  }
  return false;
}

void receive_single(RegistryCall& call, const oci::Digest& digest) {
  const auto upload = call.services.uploads.start_single(call.repository.name, digest.algorithm());
  read_body(call, *upload, kNoLimit);
  commit(*upload, digest, call.request.stop);
  send_blob_created(call, digest);
}

oci::DigestAlgorithm read_algorithm(const RegistryCall& call) {
  const std::string* text = call.request.query.find("digest-algorithm");
  if (text == nullptr || *text == "sha256") return oci::DigestAlgorithm::kSha256;
  if (*text == "sha512") return oci::DigestAlgorithm::kSha512;
  throw RegistryFault(FaultCode::kDigestInvalid, "unsupported digest algorithm");
}

std::unique_ptr<Upload> open_upload(const RegistryCall& call) {
  return call.services.uploads.open(call.request.path_parameter("id"), call.repository.name, call.request.stop);
}

void check_type(const RegistryCall& call) {
  const std::string* header = call.request.headers.find("Content-Type");
  const std::string type = header == nullptr ? "" : oci::media_type::strip_parameters(*header);
  if (type.empty() || type == "application/octet-stream") return;
  throw RegistryFault(415, FaultEntry{FaultCode::kBlobUploadInvalid, "a chunk is application/octet-stream"});
}

// The bytes of the request go where the last ones ended, and nowhere else (security-reliability rule 48); as many as
// Content-Range says, if there is one.
void receive_chunk(RegistryCall& call, Upload& upload) {
  const std::string* header = call.request.headers.find("Content-Range");
  if (header == nullptr) {
    read_body(call, upload, kNoLimit);
    return;
  }
  const auto refuse = [&](int status, FaultCode code) {
    throw RegistryFault(status, FaultEntry{code, ""}, session_headers(call, upload.id(), upload.size_bytes()));
  };
  const auto range = parse_content_range(*header);
  if (!range || range->first != upload.size_bytes()) refuse(416, FaultCode::kRangeInvalid);
  const std::string* length = call.request.headers.find("Content-Length");
  const auto bytes = length == nullptr ? std::nullopt : base::parse_unsigned(*length);
  if (bytes && static_cast<std::int64_t>(*bytes) != range->size_bytes()) refuse(400, FaultCode::kSizeInvalid);
  const BodyEnd end = read_body(call, upload, range->size_bytes());
  if (end == BodyEnd::kTooLong || upload.size_bytes() != range->last + 1) refuse(400, FaultCode::kSizeInvalid);
}

}  // namespace

void upload_start(RegistryCall& call) {
  require_writable(call);
  const Parameters& query = call.request.query;
  if (const std::string* digest = query.find("mount")) {
    const oci::Digest wanted = parse_digest_parameter(*digest);
    if (mount(call, wanted, query.find("from"))) return send_blob_created(call, wanted);
  } else if (const std::string* whole = query.find("digest")) {
    return receive_single(call, parse_digest_parameter(*whole));
  }
  const auto upload = call.services.uploads.start(call.repository.name, read_algorithm(call));
  send_session(call, 202, upload->id(), 0);
}

void upload_status(RegistryCall& call) {
  const std::string& id = call.request.path_parameter("id");
  send_session(call, 204, id, call.services.uploads.get_size(id, call.repository.name));
}

void upload_patch(RegistryCall& call) {
  require_writable(call);
  const auto upload = open_upload(call);
  check_type(call);
  receive_chunk(call, *upload);
  send_session(call, 202, upload->id(), upload->size_bytes());
}

void upload_finish(RegistryCall& call) {
  require_writable(call);
  const std::string* text = call.request.query.find("digest");
  if (text == nullptr) throw RegistryFault(FaultCode::kDigestInvalid, "digest parameter missing");
  const oci::Digest digest = parse_digest_parameter(*text);
  const auto upload = open_upload(call);
  upload->expect(digest.algorithm());
  receive_chunk(call, *upload);
  commit(*upload, digest, call.request.stop);
  send_blob_created(call, digest);
}

void upload_cancel(RegistryCall& call) {
  require_writable(call);
  open_upload(call)->cancel();
  send_empty(call, 204);
}

}  // namespace lighterd::api::registry
