// SPDX-License-Identifier: Apache-2.0
// The one place where the program reads its environment.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cli/registry_auth.hpp"

namespace lighterd::cli {

struct Environment {
  std::string default_host;  // where lighterd listens by default
  std::string host;          // LIGHTER_HOST, or the default
  AuthFiles auth_files;
};

using FindVariable = std::function<std::optional<std::string>(const char*)>;

// lighterd's defaults (daemon/config.hpp): /run/lighterd.sock for root, else lighterd.sock in $XDG_RUNTIME_DIR, or in
// lighterd's folder of $XDG_DATA_HOME. Credentials: $REGISTRY_AUTH_FILE, then config.json of $DOCKER_CONFIG or
// ~/.docker, then without $REGISTRY_AUTH_FILE containers/auth.json in $XDG_RUNTIME_DIR. A variable that is empty is not
// set.
Environment make_environment(const FindVariable& find_variable, unsigned effective_user);
Environment read_environment();

}  // namespace lighterd::cli
