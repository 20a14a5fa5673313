// SPDX-License-Identifier: Apache-2.0
// One request to one endpoint, and what endpoints share: parameters, answers, the context of an operation on a
// registry.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "api/engine/api_version.hpp"
#include "api/engine/engine_services.hpp"
#include "api/http/request.hpp"
#include "api/http/response.hpp"
#include "distribution/progress.hpp"

namespace lighterd::api {

struct EngineCall {
  const EngineServices& services;
  Request& request;
  Response& response;
  ApiVersion version;
  Parameters parameters = {};  // the query's, and the form's after merge_form
  std::string subject = {};    // what the operation is about, for its log line
  int status = 200;            // what was sent

  const std::string& name() const { return request.path_parameter("name"); }
};

// An endpoint answers, or throws what the edge turns into an error.
using Endpoint = void (*)(EngineCall& call);

// A line feed is added.
void send_json(EngineCall& call, int status, std::string body);

// Appends the body's pairs if it is an urlencoded form; kInvalidArgument beyond 64 KiB. Never for a raw body (trap 31).
void merge_form(EngineCall& call);

// Drops what is left of the body, up to 64 KiB, and runs `work` with a progress stream as its sink. What it throws
// after the first record becomes the stream's last one and is thrown on, for the log; a client that is gone gets
// nothing.
void run_streamed(EngineCall& call, const std::function<void(distribution::ProgressSink&)>& work);

// Credentials of X-Registry-Auth, X-Meta-* and the client's User-Agent (trap 44).
distribution::OperationContext make_operation_context(const EngineCall& call);

}  // namespace lighterd::api
