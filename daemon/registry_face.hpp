// SPDX-License-Identifier: Apache-2.0
// The registry as the daemon runs it: its listeners and workers are its own, so that a thousand pullers do not keep the
// Engine API waiting.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "api/http/server.hpp"
#include "api/registry/access.hpp"
#include "api/registry/registry_api.hpp"
#include "base/log.hpp"
#include "daemon/registry_flags.hpp"

namespace lighterd::daemon {

// "127.0.0.1:5000", "[::1]:5000", ":5000" (all addresses); the host without brackets. kInvalidArgument.
std::pair<std::string, int> parse_listen_address(const std::string& text);

class RegistryFace {
 public:
  // Only for an enabled registry. Listens and serves when it returns; throws as Listener, TlsContext and
  // AccessController do. The services outlive it.
  RegistryFace(const RegistryConfig& config, const api::registry::RegistryServices& services, base::Logger& logger);

  // For requests that came over the Unix socket: who may use that may do everything.
  api::Dispatched dispatch_local(api::Request& request) const { return local_.dispatch(request); }
  // As Server::stop.
  void stop(std::chrono::milliseconds grace) { server_.stop(grace); }

 private:
  const api::registry::AccessController open_;
  const api::registry::AccessController access_;
  const api::registry::RegistryApi local_;
  const api::registry::RegistryApi api_;
  api::Server server_;
};

}  // namespace lighterd::daemon
