// SPDX-License-Identifier: Apache-2.0
// save and load.
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/input.hpp"
#include "cli/output_file.hpp"
#include "cli/platform_argument.hpp"
#include "cli/record_stream.hpp"
#include "cli/target.hpp"

namespace lighterd::cli {
namespace {

// Of platforms Docker's path takes the JSON form alone.
std::string platform_json(const std::string& text) {
  return base::to_text(oci::to_json(parse_platform_argument(text)));
}

Target save_target(const SaveOptions& options) {
  Target target("/v1.55/images/get");
  for (const auto& name : options.names) target.add("names", name);
  for (const auto& platform : options.platforms) target.add("platform", platform_json(platform));
  return target;
}

class ConsoleSink final : public base::Sink {
 public:
  explicit ConsoleSink(Console& console) : console_(console) {}
  void write(base::Bytes data) override { console_.write(base::as_text(data)); }

 private:
  Console& console_;
};

}  // namespace

ExitCode run(const SaveOptions& options, Context& context) {
  const Target target = save_target(options);
  if (options.file.empty() || options.file == "-") {
    if (context.console.find_terminal())
      throw Failure(ExitCode::kUsage, "an archive is not written to a terminal: name a file with -o, or redirect");
    ConsoleSink out(context.console);
    context.client.perform({.target = target.text()}, out);
    return ExitCode::kDone;
  }
  OutputFile file(options.file);
  context.client.perform({.target = target.text()}, file);
  file.commit();
  if (context.format == OutputFormat::kJson) {
    const base::Json done = {{"File", options.file}, {"Size", file.size_bytes()}};
    context.console.write(prettify(base::to_text(done), charset_of(context.console)));
  }
  return ExitCode::kDone;
}

ExitCode run(const LoadOptions& options, Context& context) {
  if (options.file == "-" && ::isatty(STDIN_FILENO) != 0)
    throw Failure(ExitCode::kUsage, "an archive is not read from a terminal: name a file with -i, or redirect");
  Input input(open_input(options.file), options.file == "-" ? "standard input" : options.file, context.stop);
  Target target("/v1.55/images/load");
  target.add("quiet", options.quiet ? "1" : "0");
  run_stream(context, {.method = "POST", .target = target.text(), .body = &input},
             options.quiet ? Verbosity::kQuiet : Verbosity::kProgress);
  return ExitCode::kDone;
}

}  // namespace lighterd::cli
