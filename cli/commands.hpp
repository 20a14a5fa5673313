// SPDX-License-Identifier: Apache-2.0
// What each command does. The options are what the command line says, checked for form; names are what the user typed.
#pragma once

#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "cli/console.hpp"
#include "cli/daemon_client.hpp"
#include "cli/exit_code.hpp"
#include "cli/json_printer.hpp"
#include "cli/registry_auth.hpp"

namespace lighterd::cli {

struct InspectOptions {
  std::string name = {};
  std::string platform = {};  // "all": every entry of an index; empty: the daemon's
  std::string id = {};        // instead of a tag; empty: none
  bool without_tags = false;
  bool with_referrers = false;
};

struct TagsOptions {
  std::string name = {};
};

struct PlanOptions {
  std::string name = {};
  std::vector<std::string> platforms = {};
};

// Of pull and push.
struct TransferOptions {
  std::string name = {};
  std::vector<std::string> platforms = {};
  bool all_tags = false;
  bool quiet = false;
};
struct PullOptions : TransferOptions {};
struct PushOptions : TransferOptions {};

struct ImagesOptions {
  std::string name = {};                  // empty: every repository
  std::vector<std::string> filters = {};  // "key=value"
  bool all = false;
  bool quiet = false;
  bool with_digests = false;
  bool whole_ids = false;
};

struct RemoveOptions {
  std::vector<std::string> names = {};
  bool force = false;
};

struct SaveOptions {
  std::vector<std::string> names = {};
  std::vector<std::string> platforms = {};
  std::string file = {};  // empty: standard output
};

struct LoadOptions {
  std::string file = "-";  // standard input
  bool quiet = false;
};

using Command = std::variant<InspectOptions, TagsOptions, PlanOptions, PullOptions, PushOptions, ImagesOptions,
                             RemoveOptions, SaveOptions, LoadOptions>;

enum class OutputFormat { kText, kJson };

// Of what is written to that console as JSON.
inline Charset charset_of(const Console& console) {
  return console.find_terminal() ? Charset::kAscii : Charset::kUtf8;
}

// What a command works with; all of it outlives the call.
struct Context {
  DaemonClient& client;
  Console& console;
  const AuthFiles& auth_files;
  OutputFormat format;
  std::stop_token stop;
};

// Blocks until it is done. What fails as a whole is thrown; of several names each is tried, failures are written to the
// console, and the first one's code is returned.
ExitCode run_command(const Command& command, Context& context);

// One for each command, by the type of its options.
ExitCode run(const InspectOptions& options, Context& context);
ExitCode run(const TagsOptions& options, Context& context);
ExitCode run(const PlanOptions& options, Context& context);
ExitCode run(const PullOptions& options, Context& context);
ExitCode run(const PushOptions& options, Context& context);
ExitCode run(const ImagesOptions& options, Context& context);
ExitCode run(const RemoveOptions& options, Context& context);
ExitCode run(const SaveOptions& options, Context& context);
ExitCode run(const LoadOptions& options, Context& context);

}  // namespace lighterd::cli
