// SPDX-License-Identifier: Apache-2.0
// Requests that the daemon answers with progress, and those that carry the user's credentials.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cli/commands.hpp"
#include "cli/daemon_client.hpp"

namespace lighterd::cli {

enum class Verbosity { kProgress, kQuiet };

// Shows the records as they come: bars on a terminal, else lines; one line of JSON each with --json. Throws Failure for
// the error record that ends a stream, with the code of its text.
void run_stream(Context& context, const Request& request, Verbosity verbosity);

// Calls `action` with the X-Registry-Auth for the repository of `name`. If access is denied and a helper program has
// the credentials, a line on standard error says so.
void with_registry_auth(Context& context, std::string_view name,
                        const std::function<void(const base::Secret&)>& action);

}  // namespace lighterd::cli
