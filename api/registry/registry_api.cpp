// SPDX-License-Identifier: Apache-2.0
#include "api/registry/registry_api.hpp"

#include <chrono>
#include <exception>
#include <optional>
#include <string>

#include "api/registry/access_table.hpp"
#include "api/registry/endpoints.hpp"
#include "api/registry/failure.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"

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

// A client may say by ?ns= whose repository it means: that one it has to be allowed as well, and only to read.
std::vector<Permission> permissions_for(const Operation& operation, const RegistryCall& call) {
  const Parameters& query = call.request.query;
  const std::string* from = query.find("mount") == nullptr ? nullptr : query.find("from");
  const bool has_from = from != nullptr && !from->empty();
  auto permissions = required_permissions(call.request.method, operation.endpoint, call.path_name,
                                          has_from ? std::optional(*from) : std::nullopt);
  if (!permissions) throw RegistryFault(FaultCode::kUnsupported, "");
  if (!find_namespace(call)) return *std::move(permissions);
  const auto more = required_permissions(call.request.method, operation.endpoint, call.repository.name);
  permissions->insert(permissions->end(), more->begin(), more->end());
  return *std::move(permissions);
}

void find_repository(const Operation& operation, RegistryCall& call) {
  call.path_name = call.request.path_parameter("name");
  const bool is_read = (call.request.method == "GET" || call.request.method == "HEAD") &&
                       operation.endpoint != Endpoint::kUpload;  // a part of a push
  call.repository =
      resolve_repository(call.path_name, find_namespace(call).value_or(""), is_read ? Purpose::kRead : Purpose::kWrite,
                         call.services.policy.prefixes, call.services.registry);
  const std::string* via = call.request.headers.find("Via");
  call.repository.is_own_request = via != nullptr && call.services.upstream.is_own_request(*via);
}

// Who asks, and for what: nothing of an endpoint runs before.
void enter(const Operation& operation, RegistryCall& call) {
  if (operation.pattern.find("{name...}") != std::string_view::npos) find_repository(operation, call);
  call.identity = call.access.authorize(call.request, permissions_for(operation, call));
  if (find_namespace(call) && call.repository.origin)
    call.response.set_header("OCI-Namespace", call.repository.origin->domain());
}

// Nothing if the endpoint answered. A client that is gone gets no answer: thrown on.
std::optional<Failure> call_endpoint(const Operation& operation, RegistryCall& call) {
  try {
    enter(operation, call);
    operation.run(call);
    return std::nullopt;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    return failure_of(error, operation.unknown);
  } catch (const std::exception& error) {
    return failure_of(Error(ErrorCode::kInternal, error.what()), operation.unknown);
  }
}

// What operators want to see without asking for every request.
bool is_change(const Operation& operation) {
  if (operation.method == "DELETE") return operation.endpoint != Endpoint::kUpload;
  return operation.method == "PUT" && operation.endpoint == Endpoint::kManifest;
}

// What breaks off after its status was sent is no less of a failure.
void log_call(const Operation& operation, const RegistryCall& call, const std::optional<Failure>& failure, bool is_cut,
              std::chrono::steady_clock::duration took) {
  base::Logger& logger = call.services.logger;
  const std::string milliseconds = std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  const std::string status = std::to_string(call.status);
  const std::string user = call.identity ? std::string(call.identity->name()) : "";
  if (!failure) {
    const auto log = is_change(operation) ? &base::Logger::info : &base::Logger::debug;
    (logger.*log)(
        operation.name,
        {{"repository", call.repository.name}, {"user", user}, {"status", status}, {"duration_ms", milliseconds}});
    return;
  }
  const auto log = is_cut || call.status >= 500 ? &base::Logger::error : &base::Logger::debug;
  (logger.*log)(operation.name,
                {{"repository", call.path_name}, {"user", user}, {"status", status}, {"error", failure->reason}});
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
  const auto failure = call_endpoint(operation, call);
  const bool is_cut = failure && response.started();
  if (failure && !is_cut) call.status = send_fault(response, failure->fault);
  log_call(operation, call, failure, is_cut, std::chrono::steady_clock::now() - started);
}

}  // namespace lighterd::api::registry
