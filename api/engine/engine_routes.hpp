// SPDX-License-Identifier: Apache-2.0
// The Engine API: which path is which endpoint, the version prefix in front of it, the headers of every answer, and the
// edge where an error becomes an answer and an operation a log line.
#pragma once

#include "api/engine/engine_call.hpp"
#include "api/engine/engine_services.hpp"
#include "api/http/router.hpp"
#include "api/http/server.hpp"

namespace lighterd::api {

struct Operation;

// Thread-safe. Outlives the server that dispatches to it.
class EngineApi {
 public:
  explicit EngineApi(EngineServices services);
  EngineApi(const EngineApi&) = delete;
  EngineApi& operator=(const EngineApi&) = delete;

  // What the server's Dispatch does: never blocks, always finds a handler.
  Dispatched dispatch(Request& request) const;

 private:
  void add(Router& router, const Operation& operation);
  void run(const Operation& operation, Request& request, Response& response) const;

  EngineServices services_;
  Router router_;
  Router own_router_;
};

}  // namespace lighterd::api
