// SPDX-License-Identifier: Apache-2.0
#include "api/engine/engine_routes.hpp"

#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "api/engine/endpoints.hpp"
#include "api/engine/http_error.hpp"
#include "base/error.hpp"

namespace lighterd::api {

using base::Error;
using base::ErrorCode;

enum class LogDetail { kOperation, kProbe };  // probes are logged at debug level only

struct Operation {
  std::string_view name;
  std::string_view method;
  std::string_view pattern;
  Endpoint endpoint;
  LogDetail log = LogDetail::kOperation;
  Execution execution = Execution::kWorker;
  int min_version = 0;                  // the minor number
  std::string_view template_text = {};  // the pattern as dockerd names it, where there is a minimum
};

namespace {

constexpr LogDetail kProbe = LogDetail::kProbe;

constexpr Operation kOperations[] = {
    {"ping", "GET", "/_ping", ping, kProbe, Execution::kInline},
    {"ping", "HEAD", "/_ping", ping, kProbe, Execution::kInline},
    {"version", "GET", "/version", version, kProbe},
    {"info", "GET", "/info", info, kProbe},
    {"events", "GET", "/events", events},
    {"pull", "POST", "/images/create", images_create},
    {"load", "POST", "/images/load", images_load},
    {"list images", "GET", "/images/json", images_list},
    {"inspect image", "GET", "/images/{name...}/json", images_inspect},
    {"image history", "GET", "/images/{name...}/history", images_history},
    {"tag", "POST", "/images/{name...}/tag", images_tag},
    {"push", "POST", "/images/{name...}/push", images_push},
    {"save", "GET", "/images/get", images_save},
    {"save", "GET", "/images/{name...}/get", images_save_one},
    {"remove image", "DELETE", "/images/{name...}", images_delete},
    {.name = "prune images",
     .method = "POST",
     .pattern = "/images/prune",
     .endpoint = images_prune,
     .min_version = 25,
     .template_text = "/images/prune"},
    {"search", "GET", "/images/search", images_search},
    {"login", "POST", "/auth", auth},
    {"disk usage", "GET", "/system/df", system_df},
    {.name = "image attestations",
     .method = "GET",
     .pattern = "/images/{name...}/attestations",
     .endpoint = images_attestations,
     .min_version = 55,
     .template_text = "/images/{name:.*}/attestations"},
    {.name = "inspect remote image",
     .method = "GET",
     .pattern = "/distribution/{name...}/json",
     .endpoint = distribution_inspect,
     .min_version = 30,
     .template_text = "/distribution/{name:.*}/json"},
    {"list containers", "GET", "/containers/json", empty_list, kProbe},
    {"inspect container", "GET", "/containers/{name...}/json", unknown_container, kProbe},
    {"list networks", "GET", "/networks", empty_list, kProbe},
    {"inspect network", "GET", "/networks/{name...}", unknown_network, kProbe},
    {"list volumes", "GET", "/volumes", empty_volume_list, kProbe},
    {"inspect volume", "GET", "/volumes/{name...}", unknown_volume, kProbe},
    {"list plugins", "GET", "/plugins", empty_list, kProbe},
    {"inspect plugin", "GET", "/plugins/{name...}/json", unknown_plugin, kProbe},
    {"prune containers", "POST", "/containers/prune", prune_no_containers, kProbe},
    {"prune networks", "POST", "/networks/prune", prune_no_networks, kProbe},
    {"prune volumes", "POST", "/volumes/prune", prune_no_volumes, kProbe},
    {"prune build cache", "POST", "/build/prune", prune_no_build_cache, kProbe},
    {"swarm", "GET", "/swarm", no_swarm, kProbe},
    {"swarm", "GET", "/services", no_swarm, kProbe},
    {"swarm", "GET", "/services/{name...}", no_swarm, kProbe},
    {"swarm", "GET", "/nodes", no_swarm, kProbe},
    {"swarm", "GET", "/nodes/{name...}", no_swarm, kProbe},
    {"swarm", "GET", "/tasks", no_swarm, kProbe},
    {"swarm", "GET", "/tasks/{name...}", no_swarm, kProbe},
    {"swarm", "GET", "/secrets", no_swarm, kProbe},
    {"swarm", "GET", "/secrets/{name...}", no_swarm, kProbe},
    {"swarm", "GET", "/configs", no_swarm, kProbe},
    {"swarm", "GET", "/configs/{name...}", no_swarm, kProbe},
};

// Ours: without a version of Docker's in front, so that no client comes upon them by chance.
constexpr Operation kOwnOperations[] = {
    {"pull platforms", "POST", "/lighter/v1/images/pull", lighter_pull},
    {"push platforms", "POST", "/lighter/v1/images/{name...}/push", lighter_push},
    {"list platforms", "GET", "/lighter/v1/images/{name...}/platforms", lighter_platforms},
    {"list remote tags", "GET", "/lighter/v1/remote/{name...}/tags", remote_tags},
    {"describe remote image", "GET", "/lighter/v1/remote/{name...}/inspect", remote_inspect},
    {"plan pull", "GET", "/lighter/v1/remote/{name...}/plan", remote_plan},
};

struct Failure {
  ErrorCode code;
  std::string text;
};

void require_version(const Operation& operation, ApiVersion version) {
  if (version.is_at_least(operation.min_version)) return;
  throw Error(ErrorCode::kInvalidArgument, std::string(operation.method) + " " + std::string(operation.template_text) +
                                               " requires minimum API version 1." +
                                               std::to_string(operation.min_version));
}

// Nothing if the endpoint answered.
std::optional<Failure> call_endpoint(const Operation& operation, EngineCall& call) {
  try {
    require_version(operation, call.version);
    operation.endpoint(call);
    return std::nullopt;
  } catch (const Error& error) {
    return Failure{error.code(), error.text()};
  } catch (const std::exception& error) {
    return Failure{ErrorCode::kInternal, error.what()};
  }
}

bool is_client_gone(const Failure& failure, const Request& request) {
  return failure.code == ErrorCode::kCancelled && request.stop.stop_requested();
}

// Before the first byte an error is a status. A client that is gone gets nothing from here: what the server does with
// its connection is the server's.
void answer(const Failure& failure, EngineCall& call) {
  if (call.response.started()) return;
  if (is_client_gone(failure, call.request)) throw Error(failure.code, failure.text);
  send_error(call.response, http_status(failure.code), failure.text);
}

void log_operation(const Operation& operation, const EngineCall& call, const std::optional<Failure>& failure,
                   std::chrono::steady_clock::duration took) {
  base::Logger& logger = call.services.logger;
  const std::string milliseconds = std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  const std::string status = std::to_string(call.status);
  if (operation.log == LogDetail::kProbe && (!failure || http_status(failure->code) != 500)) {
    logger.debug(operation.name, {{"ref", call.subject}, {"status", status}, {"duration_ms", milliseconds}});
  } else if (!failure) {
    logger.info(operation.name, {{"ref", call.subject}, {"status", status}, {"duration_ms", milliseconds}});
  } else if (is_client_gone(*failure, call.request)) {
    logger.info(operation.name, {{"ref", call.subject}, {"status", "cancelled"}, {"duration_ms", milliseconds}});
  } else if (http_status(failure->code) < 500) {
    logger.warn(operation.name,
                {{"ref", call.subject}, {"status", status}, {"duration_ms", milliseconds}, {"error", failure->text}});
  } else {
    logger.error(operation.name,
                 {{"ref", call.subject}, {"status", status}, {"duration_ms", milliseconds}, {"error", failure->text}});
  }
}

// Docker's form for clients that are too old to read JSON errors.
void refuse_version(Response& response, std::string_view version, const std::string& problem) {
  constexpr std::string_view kJsonErrorsSince = "1.24";
  if (compare_versions(version, kJsonErrorsSince) < 0) {
    response.send(400, "text/plain; charset=utf-8", problem + "\n");
  } else {
    send_error(response, 400, problem);
  }
}

void set_common_headers(Response& response, const std::string& daemon_version) {
  response.set_header("Server", "Docker/" + daemon_version + " (linux)");
  response.set_header("Api-Version", std::string(kMaxApiVersion));
  response.set_header("Ostype", "linux");
}

void page_not_found(Request& /*request*/, Response& response) {
  send_error(response, 404, "page not found");
}

}  // namespace

EngineApi::EngineApi(EngineServices services) : services_(std::move(services)) {
  for (const Operation& operation : kOperations) add(router_, operation);
  for (const Operation& operation : kOwnOperations) add(own_router_, operation);
}

void EngineApi::add(Router& router, const Operation& operation) {
  router.add(
      {.method = std::string(operation.method),
       .pattern = std::string(operation.pattern),
       .execution = operation.execution,
       .handler = [this, &operation](Request& request, Response& response) { run(operation, request, response); }});
}

Dispatched EngineApi::dispatch(Request& request) const {
  if (request.method == "OPTIONS")
    return {Execution::kInline, [this](Request&, Response& response) {
              set_common_headers(response, services_.info.version);
              response.set_header("Docker-Experimental", "false");
              response.send(200, "", "");
            }};
  const VersionedPath versioned = split_version(request.path);
  auto match = router_.find(request.method, versioned.path);
  if (!match && !versioned.version) match = own_router_.find(request.method, versioned.path);
  if (!match) return {Execution::kInline, page_not_found};
  request.path_parameters = std::move(match->parameters);
  return {match->route->execution, match->route->handler};
}

void EngineApi::run(const Operation& operation, Request& request, Response& response) const {
  const auto started = std::chrono::steady_clock::now();
  const std::string_view version = split_version(request.path).version.value_or(kMaxApiVersion);
  set_common_headers(response, services_.info.version);
  if (const auto problem = find_version_problem(version)) {
    refuse_version(response, version, *problem);
    services_.logger.debug(operation.name, {{"status", "400"}, {"error", *problem}});
    return;
  }
  response.set_header("Docker-Experimental", "false");
  EngineCall call{.services = services_,
                  .request = request,
                  .response = response,
                  .version = parse_api_version(version),
                  .parameters = request.query};
  const std::optional<Failure> failure = call_endpoint(operation, call);
  if (failure && !response.started()) call.status = http_status(failure->code);
  log_operation(operation, call, failure, std::chrono::steady_clock::now() - started);
  if (failure) answer(*failure, call);
}

}  // namespace lighterd::api
