// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <cstdio>
#include <exception>

#include "cli/command_line.hpp"
#include "cli/curl_client.hpp"
#include "cli/environment.hpp"
#include "cli/interrupt.hpp"
#include "cli/standard_console.hpp"

namespace {

using namespace lighterd::cli;

ExitCode run(const CommandLine& line, const Environment& environment) {
  try {
    const Interrupt interrupt;
    StandardConsole console(interrupt.token());
    const auto client = make_curl_client(line.host, interrupt.token());
    Context context{*client, console, environment.auth_files, line.format, interrupt.token()};
    return run_command(*line.command, context);
  } catch (const std::exception& error) {
    print_error(error.what());
    return exit_code_of(error);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const Environment environment = read_environment();
  const CommandLine line = parse_command_line(argc, argv, environment);
  if (line.command) return static_cast<int>(run(line, environment));
  std::fputs(line.text.c_str(), line.exit_code == ExitCode::kDone ? stdout : stderr);
  return static_cast<int>(line.exit_code);
}
