// SPDX-License-Identifier: Apache-2.0
// Where the daemon is, as docker writes it: unix:///path or tcp://host[:port], [host]:port for short.
#pragma once

#include <string>
#include <string_view>

namespace lighterd::cli {

struct Host {
  std::string text;       // as it was given, for messages
  std::string socket;     // path of a Unix socket; empty: over TCP
  std::string authority;  // of the URL, "host:port"; "localhost" for a socket
};

// tcp without a port means 2375, without a host localhost; unix:// without a path means default_host, itself such a
// text, as for docker. Throws Failure kUsage.
Host parse_host(std::string_view text, std::string_view default_host);

}  // namespace lighterd::cli
