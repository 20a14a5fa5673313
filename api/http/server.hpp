// SPDX-License-Identifier: Apache-2.0
// The HTTP/1.1 server: accepts, one reactor thread, an elastic pool of blocking workers, and the deadlines and
// limits of each connection. Knows nothing of Docker or of registries; what a path means is the Dispatch's.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "api/http/listener.hpp"
#include "api/http/router.hpp"
#include "base/log.hpp"

namespace lighterd::api {

// Whether a TCP client has to name this machine by address or as localhost. A server that is meant to be reached by
// names cannot ask for that: it is for those that have TLS, access control, or nothing that is worth it.
enum class HostCheck { kThisMachine, kAny };

struct ServerOptions {
  std::size_t max_connections = 1024;
  std::size_t max_workers = 256;
  std::size_t max_head_bytes = 64 * 1024;
  std::size_t max_headers = 128;
  HostCheck host_check = HostCheck::kThisMachine;
  std::vector<std::string> host_names = {};               // this machine's, for kThisMachine; lower case, without port
  std::chrono::milliseconds handshake_timeout{10'000};    // of TLS
  std::chrono::milliseconds head_timeout{30'000};         // from the first byte of a head to its end
  std::chrono::milliseconds idle_timeout{300'000};        // between requests
  std::chrono::milliseconds body_idle_timeout{60'000};    // no byte of a body that a handler waits for
  std::chrono::milliseconds write_stall_timeout{60'000};  // no byte taken by the client
};

// Picks the handler of a request whose head has arrived; runs on the reactor thread and must not block. It may
// fill request.path_parameters. Never returns an empty handler: unknown paths have a handler as well.
struct Dispatched {
  Execution execution;
  Handler handler;
};
using Dispatch = std::function<Dispatched(Request&)>;

class Server {
 public:
  Server(ServerOptions options, Dispatch dispatch, base::Logger& logger);
  ~Server();  // as stop(0)
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes over listening sockets and starts serving; returns at once. Once only.
  void start(std::vector<Listener> listeners);

  // Stops accepting, closes idle connections, lets running requests go on for at most `grace`, then requests
  // their stop, cuts their connections and joins every thread. Blocks, as long as a handler ignores its stop
  // token; idempotent. Not from a handler.
  void stop(std::chrono::milliseconds grace);

  std::size_t connection_count() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lighterd::api
