// SPDX-License-Identifier: Apache-2.0
#include "cli/record_stream.hpp"

#include <memory>

#include "cli/progress.hpp"
#include "cli/registry_auth.hpp"
#include "cli/terminal_progress.hpp"

namespace lighterd::cli {
namespace {

std::unique_ptr<ProgressView> make_view(Console& console, Verbosity verbosity) {
  if (verbosity == Verbosity::kQuiet) return std::make_unique<QuietProgress>();
  if (!console.find_terminal()) return std::make_unique<PlainProgress>();
  return std::make_unique<TerminalProgress>([&console] { return console.find_terminal().value_or(TerminalSize{}); });
}

// What the daemon said before it closed the connection counts, not how that ended.
void perform_until_error(Context& context, const Request& request, LineSplitter& lines, const std::string& error) {
  try {
    context.client.perform(request, lines);
    lines.finish();
  } catch (const base::Error& failure) {
    if (error.empty() || failure.code() == base::ErrorCode::kCancelled) throw;
  }
}

}  // namespace

void run_stream(Context& context, const Request& request, Verbosity verbosity) {
  const auto view = make_view(context.console, verbosity);
  std::string error;
  LineSplitter lines([&](std::string_view line) {
    const Record record = parse_record(line);
    if (!record.error.empty()) error = record.error;
    const bool is_json = context.format == OutputFormat::kJson;
    const std::string text = is_json ? compact(line, charset_of(context.console)) + "\n" : view->take(record);
    if (!text.empty()) context.console.write(text);
  });
  perform_until_error(context, request, lines, error);
  if (!error.empty()) throw Failure(exit_code_of_text(error), error);
}

void with_registry_auth(Context& context, std::string_view name,
                        const std::function<void(const base::Secret&)>& action) {
  const RegistryAuth auth = find_registry_auth(context.auth_files, name);
  try {
    action(auth.header);
  } catch (const Failure& failure) {
    if (failure.exit_code() == ExitCode::kDenied && auth.header.empty() && !auth.helpers.empty()) {
      context.console.write_error("credentials are left to a helper program by " + auth.helpers.string() +
                                  ", and helpers are not run: name a file that has them in REGISTRY_AUTH_FILE");
    }
    throw;
  }
}

}  // namespace lighterd::cli
