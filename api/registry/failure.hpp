// SPDX-License-Identifier: Apache-2.0
// What whoever serves a request could not do, as its client is told.
#pragma once

#include <string>

#include "api/registry/registry_fault.hpp"

namespace lighterd::api::registry {

struct Failure {
  RegistryFault fault;  // for the client: nothing of this machine's paths
  std::string reason;   // for the log
};

// `unknown` is what a missing thing is called by the endpoint. A refusal of an upstream stays one (never a 5xx); that
// it wants other credentials is none of the client's business.
Failure failure_of(const base::Error& error, FaultCode unknown);

}  // namespace lighterd::api::registry
