// SPDX-License-Identifier: Apache-2.0
#include "api/registry/registry_api.hpp"

#include <chrono>
#include <exception>
#include <optional>
#include <string>

#include "api/registry/access_table.hpp"
#include "api/registry/endpoints.hpp"
#include "api/registry/registry_fault.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "distribution/registry_error.hpp"

namespace lighterd::api::registry {

using base::Error;
using base::ErrorCode;

struct Operation {
  std::string_view name;
  std::string_view method;
  std::string_view pattern;
  EndpointFunction run;
  Endpoint endpoint;
  // What a missing thing is called here.
  FaultCode unknown = FaultCode::kNameUnknown;
};

namespace {

constexpr std::string_view kManifest = "/v2/{name...}/manifests/{reference}";
constexpr std::string_view kBlob = "/v2/{name...}/blobs/{digest}";
constexpr std::string_view kUploads = "/v2/{name...}/blobs/uploads";
constexpr std::string_view kUploadsSlash = "/v2/{name...}/blobs/uploads/";
constexpr std::string_view kUpload = "/v2/{name...}/blobs/uploads/{id}";
constexpr std::string_view kTags = "/v2/{name...}/tags/list";
constexpr std::string_view kReferrers = "/v2/{name...}/referrers/{digest}";

constexpr Operation kOperations[] = {
    {"check version", "GET", "/v2", version_check, Endpoint::kBase},
    {"check version", "GET", "/v2/", version_check, Endpoint::kBase},
    {"list repositories", "GET", "/v2/_catalog", catalog, Endpoint::kCatalog},
    {"list tags", "GET", kTags, tags_list, Endpoint::kTags},
    {"list referrers", "GET", kReferrers, referrers, Endpoint::kReferrers},
    {"get manifest", "GET", kManifest, manifest_get, Endpoint::kManifest, FaultCode::kManifestUnknown},
    {"put manifest", "PUT", kManifest, manifest_put, Endpoint::kManifest, FaultCode::kManifestUnknown},
    {"delete manifest", "DELETE", kManifest, manifest_delete, Endpoint::kManifest, FaultCode::kManifestUnknown},
    {"get blob", "GET", kBlob, blob_get, Endpoint::kBlob, FaultCode::kBlobUnknown},
    {"delete blob", "DELETE", kBlob, blob_delete, Endpoint::kBlob, FaultCode::kBlobUnknown},
    {"start upload", "POST", kUploads, upload_start, Endpoint::kUploads, FaultCode::kBlobUnknown},
    {"start upload", "POST", kUploadsSlash, upload_start, Endpoint::kUploads, FaultCode::kBlobUnknown},
    {"upload status", "GET", kUpload, upload_status, Endpoint::kUpload, FaultCode::kBlobUploadUnknown},
    {"upload chunk", "PATCH", kUpload, upload_patch, Endpoint::kUpload, FaultCode::kBlobUploadUnknown},
    {"finish upload", "PUT", kUpload, upload_finish, Endpoint::kUpload, FaultCode::kBlobUploadUnknown},
    {"cancel upload", "DELETE", kUpload, upload_cancel, Endpoint::kUpload, FaultCode::kBlobUploadUnknown},
};

void set_common_headers(Response& response) {
  response.set_header("Docker-Distribution-API-Version", "registry/2.0");
}

int send_fault(Response& response, const RegistryFault& fault) {
  for (const auto& [name, value] : fault.headers()) response.set_header(name, value);
  response.send(fault.status(), "application/json", fault.body());
  return fault.status();
}

// What upstream answered, told to a client of ours: a 4xx stays one, and credentials that upstream wants are not the
// client's to give here.
RegistryFault fault_of_upstream(const distribution::RegistryError& error, FaultCode unknown) {
  const std::string text = "upstream: " + error.text();
  if (error.status() == 404) return RegistryFault(unknown, text);
  if (error.status() == 401 || error.status() == 403) return RegistryFault(FaultCode::kDenied, text);
  if (error.status() == 429) return RegistryFault(FaultCode::kTooManyRequests, text);
  return RegistryFault(502, FaultEntry{FaultCode::kUnavailable, text});
}

RegistryFault fault_of(const Error& error, FaultCode unknown) {
  switch (error.code()) {
    case ErrorCode::kNotFound:
      return RegistryFault(unknown, "");
    case ErrorCode::kInvalidArgument:
      return RegistryFault(400, FaultEntry{FaultCode::kUnknown, error.text()});
    case ErrorCode::kPermissionDenied:
      return RegistryFault(FaultCode::kUnsupported, error.text());
    case ErrorCode::kConflict:
      return RegistryFault(405, FaultEntry{FaultCode::kDenied, error.text()});
    case ErrorCode::kResourceExhausted:
      return RegistryFault(FaultCode::kTooManyRequests, error.text());
    case ErrorCode::kUnavailable:
      return RegistryFault(FaultCode::kUnavailable, error.text());
    case ErrorCode::kDeadlineExceeded:
      return RegistryFault(504, FaultEntry{FaultCode::kUnavailable, error.text()});
    case ErrorCode::kNoSpace:
      return RegistryFault(507, FaultEntry{FaultCode::kUnknown, error.text()});
    default:
      return RegistryFault(FaultCode::kUnknown, error.text());
  }
}

// A request that came from our own cache, by a mirror that leads back here, is answered from what is here.
void enter_repository(RegistryCall& call) {
  const std::string* ns = call.request.query.find("ns");
  const bool reads = call.request.method == "GET" || call.request.method == "HEAD";
  call.repository =
      resolve_repository(call.path_name, ns == nullptr ? "" : *ns, reads ? Purpose::kRead : Purpose::kWrite,
                         call.services.policy.prefixes, call.services.registry);
  const std::string* via = call.request.headers.find("Via");
  if (via != nullptr && call.services.upstream.is_own_request(*via)) call.repository.origin.reset();
  if (ns != nullptr && call.repository.origin)
    call.response.set_header("OCI-Namespace", call.repository.origin->domain());
}

// Who asks, and for what: nothing of an endpoint runs before.
void enter(const Operation& operation, RegistryCall& call) {
  const Parameters& query = call.request.query;
  const bool has_name = operation.pattern.find("{name...}") != std::string_view::npos;
  if (has_name) {
    call.path_name = call.request.path_parameter("name");
    if (!imagestore::is_valid_repository(call.path_name)) throw RegistryFault(FaultCode::kNameInvalid, "");
  }
  const std::string* from = query.find("mount") == nullptr ? nullptr : query.find("from");
  const auto permissions = required_permissions(call.request.method, operation.endpoint, call.path_name,
                                                from == nullptr ? std::nullopt : std::optional(*from));
  if (!permissions) throw RegistryFault(FaultCode::kUnsupported, "");
  call.identity = call.access.authorize(call.request, *permissions);
  if (has_name) enter_repository(call);
}

// Nothing if the endpoint answered. A client that is gone gets no answer: thrown on.
std::optional<RegistryFault> call_endpoint(const Operation& operation, RegistryCall& call) {
  try {
    enter(operation, call);
    operation.run(call);
    return std::nullopt;
  } catch (const RegistryFault& fault) {
    return fault;
  } catch (const distribution::RegistryError& error) {
    return fault_of_upstream(error, operation.unknown);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    return fault_of(error, operation.unknown);
  } catch (const std::exception& error) {
    return RegistryFault(FaultCode::kUnknown, error.what());
  }
}

// What operators want to see without asking for every request.
bool is_change(const Operation& operation) {
  if (operation.method == "DELETE") return operation.endpoint != Endpoint::kUpload;
  return operation.method == "PUT" && operation.endpoint == Endpoint::kManifest;
}

void log_call(const Operation& operation, const RegistryCall& call, const std::optional<RegistryFault>& fault,
              std::chrono::steady_clock::duration took) {
  base::Logger& logger = call.services.logger;
  const std::string milliseconds = std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  const std::string status = std::to_string(call.status);
  const std::string user = call.identity ? std::string(call.identity->name()) : "";
  if (!fault) {
    const auto log = is_change(operation) ? &base::Logger::info : &base::Logger::debug;
    (logger.*log)(
        operation.name,
        {{"repository", call.repository.name}, {"user", user}, {"status", status}, {"duration_ms", milliseconds}});
    return;
  }
  const auto log = call.status >= 500 ? &base::Logger::error : &base::Logger::debug;
  (logger.*log)(operation.name,
                {{"repository", call.path_name}, {"user", user}, {"status", status}, {"error", fault->text()}});
}

// A path that was sent in another form than it has ("a//b", "..", an escaped slash) is not one of ours: two readers
// could take it for two repositories (security-reliability rule 45).
bool is_plain_path(const Request& request) {
  const std::string& raw = request.raw_path;
  if (base::to_lower(raw).find("%2f") != std::string::npos) return false;
  return base::percent_decode(raw, base::PlusSign::kLiteral) == request.path;
}

void refuse_path(Request& /*request*/, Response& response) {
  set_common_headers(response);
  send_fault(response, RegistryFault(404, FaultEntry{FaultCode::kUnsupported, "no such endpoint"}));
}

// The methods of a pattern, for a request with another one.
Handler make_refusal(std::string_view pattern) {
  std::string allowed;
  for (const Operation& operation : kOperations) {
    if (operation.pattern != pattern) continue;
    allowed += (allowed.empty() ? "" : ", ") + std::string(operation.method);
    if (operation.method == "GET") allowed += ", HEAD";
  }
  return [allowed](Request&, Response& response) {
    set_common_headers(response);
    response.set_header("Allow", allowed);
    send_fault(response, RegistryFault(FaultCode::kUnsupported, ""));
  };
}

}  // namespace

RegistryApi::RegistryApi(const RegistryServices& services, const AccessController& access)
    : services_(services), access_(access) {
  const auto add = [this](std::string method, const Operation& operation) {
    router_.add(
        {.method = std::move(method),
         .pattern = std::string(operation.pattern),
         .handler = [this, &operation](Request& request, Response& response) { run(operation, request, response); }});
  };
  std::string_view last;
  for (const Operation& operation : kOperations) {
    add(std::string(operation.method), operation);
    if (operation.method == "GET") add("HEAD", operation);
    if (operation.pattern == last) continue;
    last = operation.pattern;
    router_.add({.method = "*",
                 .pattern = std::string(operation.pattern),
                 .execution = Execution::kInline,
                 .handler = make_refusal(operation.pattern)});
  }
}

bool RegistryApi::is_registry_path(std::string_view path) {
  return path == "/v2" || path.starts_with("/v2/");
}

Dispatched RegistryApi::dispatch(Request& request) const {
  auto match = is_plain_path(request) ? router_.find(request.method, request.path) : std::nullopt;
  if (!match) return {Execution::kInline, refuse_path};
  request.path_parameters = std::move(match->parameters);
  return {match->route->execution, match->route->handler};
}

void RegistryApi::run(const Operation& operation, Request& request, Response& response) const {
  const auto started = std::chrono::steady_clock::now();
  set_common_headers(response);
  RegistryCall call{.services = services_, .access = access_, .request = request, .response = response};
  const auto fault = call_endpoint(operation, call);
  if (fault && !response.started()) call.status = send_fault(response, *fault);
  log_call(operation, call, fault, std::chrono::steady_clock::now() - started);
  if (fault && call.status == 0) throw Error(fault->code(), fault->text());
}

}  // namespace lighterd::api::registry
