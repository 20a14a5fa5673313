// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.hpp"

namespace lighterd::cli {

ExitCode run_command(const Command& command, Context& context) {
  return std::visit([&context](const auto& options) { return run(options, context); }, command);
}

}  // namespace lighterd::cli
