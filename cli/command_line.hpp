// SPDX-License-Identifier: Apache-2.0
// What the user asked for.
#pragma once

#include <optional>
#include <string>

#include "cli/commands.hpp"
#include "cli/environment.hpp"
#include "cli/host.hpp"

namespace lighterd::cli {

struct CommandLine {
  std::optional<Command> command;  // none: print `text` and leave with exit_code
  Host host = {};
  OutputFormat format = OutputFormat::kText;
  std::string text;
  ExitCode exit_code = ExitCode::kDone;
};

// Never throws for bad input: that is kUsage with a text.
CommandLine parse_command_line(int argc, const char* const* argv, const Environment& environment);

}  // namespace lighterd::cli
