// SPDX-License-Identifier: Apache-2.0
// The DaemonClient on libcurl.
#pragma once

#include <memory>
#include <stop_token>

#include "cli/daemon_client.hpp"
#include "cli/host.hpp"

namespace lighterd::cli {

// For one thread. Keeps its connection from one request to the next; takes no proxy and follows no redirect.
std::unique_ptr<DaemonClient> make_curl_client(Host host, std::stop_token stop);

}  // namespace lighterd::cli
