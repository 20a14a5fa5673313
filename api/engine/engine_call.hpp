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

// A client that leaves is noticed once its body has been read: what no endpoint wants must not be in the way. Drops at
// most 64 KiB.
void drop_body(EngineCall& call);

class JsonMessageStream;
// Runs `work` with a stream of records. What it throws after the first record becomes the stream's last one and is
// thrown on, for the log; a client that is gone gets nothing.
void run_with_records(EngineCall& call, const std::function<void(JsonMessageStream&)>& work);

// The same for what reads no body and reports progress only.
void run_streamed(EngineCall& call, const std::function<void(distribution::ProgressSink&)>& work);

// Credentials of X-Registry-Auth, X-Meta-* and the client's User-Agent (trap 44).
distribution::OperationContext make_operation_context(const EngineCall& call);

}  // namespace lighterd::api
