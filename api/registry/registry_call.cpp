// SPDX-License-Identifier: Apache-2.0
#include "api/registry/registry_call.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/registry/header_items.hpp"
#include "api/registry/registry_fault.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"

namespace lighterd::api::registry {
namespace {

// Of a proxy in front that ends TLS; otherwise the connection's own.
std::string_view scheme_of(const Request& request) {
  const std::string* forwarded = request.headers.find("X-Forwarded-Proto");
  if (forwarded != nullptr && (*forwarded == "https" || *forwarded == "http")) return *forwarded;
  return request.is_encrypted ? "https" : "http";
}

// What stands in a Host header; nothing that could end it or begin a path.
bool is_authority(std::string_view text) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
  return !text.empty() && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

}  // namespace

void send_empty(RegistryCall& call, int status) {
  call.status = status;
  call.response.send(status, "", "");
}

void send_json(RegistryCall& call, int status, const std::string& body, std::string_view content_type) {
  call.status = status;
  call.response.send(status, content_type, body);
}

std::optional<std::string> find_namespace(const RegistryCall& call) {
  const std::string* ns = call.request.query.find("ns");
  return ns == nullptr || ns->empty() ? std::nullopt : std::optional(*ns);
}

BodyEnd read_body(RegistryCall& call, base::Sink& sink, std::int64_t limit_bytes) {
  constexpr std::size_t kBlockBytes = std::size_t{64} * 1024;
  std::vector<std::byte> buffer(kBlockBytes);
  for (std::int64_t size_bytes = 0;;) {
    std::size_t count = 0;
    try {
      count = call.request.body->read(buffer);
    } catch (const base::Error& error) {
      if (error.code() != base::ErrorCode::kDeadlineExceeded) throw;
      throw RegistryFault(408, FaultEntry{FaultCode::kUnknown, "the body does not go on"});
    }
    if (count == 0) return BodyEnd::kReached;
    size_bytes += static_cast<std::int64_t>(count);
    if (size_bytes > limit_bytes) return BodyEnd::kTooLong;
    sink.write(base::Bytes(buffer).first(count));
  }
}

void require_writable(const RegistryCall& call) {
  const auto refuse = [](const std::string& why) { throw RegistryFault(FaultCode::kUnsupported, why); };
  if (call.services.policy.is_read_only) refuse("the registry is read only");
  if (find_namespace(call)) refuse("another registry's repository is read only here");
  const auto kind = call.services.registry.find_repository(call.repository.name);
  if (kind == imagestore::RepositoryKind::kPushed) return;
  const auto& origin = call.repository.origin;
  if (kind == imagestore::RepositoryKind::kCached || (origin && call.services.upstream.serves(origin->domain())))
    refuse("the repository is a cache of another registry's and read only");
  if (kind == imagestore::RepositoryKind::kPulled) refuse("the repository has pulled images and is read only");
}

std::optional<distribution::UpstreamCall> find_upstream(const RegistryCall& call) {
  const auto& origin = call.repository.origin;
  if (!origin || call.repository.is_own_request || !call.services.upstream.serves(origin->domain()))
    return std::nullopt;
  const auto kind = call.services.registry.find_repository(call.repository.name);
  if (kind == imagestore::RepositoryKind::kPushed) return std::nullopt;
  const std::string* via = call.request.headers.find("Via");
  return distribution::UpstreamCall(*origin, via == nullptr ? "" : *via);
}

oci::Digest parse_digest_parameter(std::string_view text) {
  try {
    return oci::parse_digest(text);
  } catch (const base::Error& error) {
    throw RegistryFault(FaultCode::kDigestInvalid, error.text());
  }
}

std::string relative_location(const RegistryCall& call, std::string_view rest) {
  std::string location = "/v2/" + call.path_name + std::string(rest);
  if (const auto ns = find_namespace(call)) location += "?ns=" + base::percent_encode(*ns);
  return location;
}

std::string absolute_location(const RegistryCall& call, std::string_view rest) {
  const std::string* host = call.request.headers.find("Host");
  // On a Unix socket it names nothing.
  if (host == nullptr || call.request.peer || !is_authority(*host)) return relative_location(call, rest);
  return std::string(scheme_of(call.request)) + "://" + *host + relative_location(call, rest);
}

std::string json_string(std::string_view text) {
  return base::to_text(base::Json(base::printable(text)));
}

bool is_not_modified(const Headers& headers, const oci::Digest& digest) {
  const std::string wanted = digest.to_string();
  return std::ranges::any_of(header_items(headers, "If-None-Match"), [&](std::string_view tag) {
    if (tag == "*") return true;
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
    return tag == wanted;
  });
}

void set_digest_headers(RegistryCall& call, const oci::Digest& digest) {
  call.response.set_header("Docker-Content-Digest", digest.to_string());
  call.response.set_header("ETag", "\"" + digest.to_string() + "\"");
}

void set_stale_warning(RegistryCall& call, const std::optional<std::string>& reason) {
  if (!reason) return;
  std::string text;
  for (const char c : base::printable("stale: " + *reason, 256)) {
    // A header's bytes are ASCII here, whatever upstream said.
    if (c == '"' || c == '\\') text += '\\';
    text += static_cast<unsigned char>(c) < 0x80 ? c : '?';
  }
  call.response.set_header("Warning", "299 - \"" + text + "\"");
}

}  // namespace lighterd::api::registry
