// SPDX-License-Identifier: Apache-2.0
// The one place where the program reads its environment.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace lighterd::cli {

struct Environment {
  std::string host;                               // LIGHTER_HOST, or where lighterd listens by default
  std::vector<std::filesystem::path> auth_files;  // credentials, the first that has any counts
};

using FindVariable = std::function<std::optional<std::string>(const char*)>;

// lighterd's defaults (daemon/config.hpp): /run/lighterd.sock for root, else lighterd.sock in $XDG_RUNTIME_DIR, or in
// lighterd's folder of $XDG_DATA_HOME. Credentials: $REGISTRY_AUTH_FILE, then config.json of $DOCKER_CONFIG or
// ~/.docker. A variable that is empty is not set.
Environment make_environment(const FindVariable& find_variable, unsigned effective_user);
Environment read_environment();

}  // namespace lighterd::cli
