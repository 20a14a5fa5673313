// SPDX-License-Identifier: Apache-2.0
// The registry face: which path under /v2/ is which endpoint, who may use it, and the edge where an error becomes an
// answer and an operation a log line.
#pragma once

#include "api/http/router.hpp"
#include "api/http/server.hpp"
#include "api/registry/access.hpp"
#include "api/registry/registry_services.hpp"

namespace lighterd::api::registry {

struct Operation;

// Thread-safe. Outlives the servers that dispatch to it.
class RegistryApi {
 public:
  // The same services may have a face for each kind of access.
  RegistryApi(const RegistryServices& services, const AccessController& access);
  RegistryApi(const RegistryApi&) = delete;
  RegistryApi& operator=(const RegistryApi&) = delete;

  // "/v2" and what is below it.
  static bool is_registry_path(std::string_view path);
  // What the server's Dispatch does: never blocks, always finds a handler.
  Dispatched dispatch(Request& request) const;

 private:
  void run(const Operation& operation, Request& request, Response& response) const;

  const RegistryServices& services_;
  const AccessController& access_;
  Router router_;
};

}  // namespace lighterd::api::registry
