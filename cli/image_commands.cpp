// SPDX-License-Identifier: Apache-2.0
// images and rm: what the daemon has.
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "cli/commands.hpp"
#include "cli/images_view.hpp"
#include "cli/target.hpp"

namespace lighterd::cli {
namespace {

using base::Json;

// {"key": ["value", ...]} of "key=value" and the name.
std::string filters_of(const ImagesOptions& options) {
  Json filters = Json::object();
  for (const auto& filter : options.filters) {
    const std::size_t sign = filter.find('=');
    if (sign == std::string::npos || sign == 0)
      throw Failure(ExitCode::kUsage, "invalid filter \"" + filter + "\": must be key=value");
    filters[filter.substr(0, sign)].push_back(filter.substr(sign + 1));
  }
  if (!options.name.empty()) filters["reference"].push_back(options.name);
  return filters.empty() ? std::string() : base::to_text(filters);
}

std::string render_removed(const Json& removed) {
  std::string text;
  for (const auto& entry : removed) {
    for (const char* what : {"Untagged", "Deleted"}) {
      if (const auto name = base::find_string(entry, what))
        text += std::string(what) + ": " + base::printable(*name) + "\n";
    }
  }
  return text;
}

Json remove(const std::string& name, const RemoveOptions& options, Context& context) {
  if (name.empty()) throw Failure(ExitCode::kUsage, "the name is empty");
  Target target("/v1.55/images/" + encode_name(name));
  if (options.force) target.add("force", "1");
  Json removed = parse_document(get_document(context.client, {.method = "DELETE", .target = target.text()}));
  if (!removed.is_array()) throw Failure(ExitCode::kFailed, "the daemon's answer is no list");
  return removed;
}

}  // namespace

ExitCode run(const ImagesOptions& options, Context& context) {
  Target target("/v1.55/images/json");
  if (options.all) target.add("all", "1");
  if (const std::string filters = filters_of(options); !filters.empty()) target.add("filters", filters);
  const std::string document = get_document(context.client, {.target = target.text()});
  const bool is_json = context.format == OutputFormat::kJson;
  context.console.write(is_json ? prettify(document, charset_of(context.console))
                                : render_images(parse_document(document), options, base::now()));
  return ExitCode::kDone;
}

ExitCode run(const RemoveOptions& options, Context& context) {
  ExitCode code = ExitCode::kDone;
  Json all = Json::array();
  for (const auto& name : options.names) {
    try {
      const Json removed = remove(name, options, context);
      all.insert(all.end(), removed.begin(), removed.end());
      if (context.format == OutputFormat::kText) context.console.write(render_removed(removed));
    } catch (const Failure& failure) {
      if (failure.exit_code() == ExitCode::kUnreachable) throw;
      context.console.write_error(failure.text());
      if (code == ExitCode::kDone) code = failure.exit_code();
    }
  }
  if (context.format == OutputFormat::kJson)
    context.console.write(prettify(base::to_text(all), charset_of(context.console)));
  return code;
}

}  // namespace lighterd::cli
