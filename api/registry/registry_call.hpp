// SPDX-License-Identifier: Apache-2.0
// One request to the registry, and what its endpoints share.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/request.hpp"
#include "api/http/response.hpp"
#include "api/registry/access.hpp"
#include "api/registry/registry_services.hpp"
#include "api/registry/repository_target.hpp"
#include "oci/digest.hpp"

namespace lighterd::api::registry {

struct RegistryCall {
  const RegistryServices& services;
  const AccessController& access;
  Request& request;
  Response& response;
  int status = 0;  // what was sent

  // Of endpoints of a repository, set before they run.
  std::string path_name = {};        // as the client names it; what its tokens are for
  RepositoryTarget repository = {};  // as the store does
  std::shared_ptr<const Identity> identity = {};
};

// An endpoint answers, or throws what the edge turns into an error (RegistryFault, base::Error).
using EndpointFunction = void (*)(RegistryCall& call);

// No body, and headers as they were set.
void send_empty(RegistryCall& call, int status);
void send_json(RegistryCall& call, int status, const std::string& body, std::string_view content_type);

// Of ?ns=; nothing if there is none.
std::optional<std::string> find_namespace(const RegistryCall& call);

// The body as it arrives, at most `limit_bytes` of it; whether it was that much or less. A client that stops sending
// gets 408.
enum class BodyEnd { kReached, kTooLong };
BodyEnd read_body(RegistryCall& call, base::Sink& sink, std::int64_t limit_bytes);

// Status 405 UNSUPPORTED for a repository that is not written by its clients, and of a read-only registry.
void require_writable(const RegistryCall& call);

// Where what is not here may be had, for this client; nothing for what nobody else has: pushed repositories, and hosts
// that are no upstream.
std::optional<distribution::UpstreamCall> find_upstream(const RegistryCall& call);

// 400 DIGEST_INVALID.
oci::Digest parse_digest_parameter(std::string_view text);

// "/v2/<name><rest>", with ?ns= if the client gave one.
std::string relative_location(const RegistryCall& call, std::string_view rest);
// The same with scheme and host, where the client named them: what was made is found there.
std::string absolute_location(const RegistryCall& call, std::string_view rest);

// As a JSON string, made printable.
std::string json_string(std::string_view text);

// Whether If-None-Match names the digest: bare or quoted, weak, in a list, or "*" (registry-protocol.md B2).
bool is_not_modified(const Headers& headers, const oci::Digest& digest);

// Of served content: ETag, Docker-Content-Digest.
void set_digest_headers(RegistryCall& call, const oci::Digest& digest);
// "Warning: 299 - ..." if upstream could not confirm what is served.
void set_stale_warning(RegistryCall& call, const std::optional<std::string>& reason);

}  // namespace lighterd::api::registry
