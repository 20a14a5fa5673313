// SPDX-License-Identifier: Apache-2.0
// inspect, tags and plan: what a registry has, without pulling it.
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/image_name.hpp"
#include "cli/inspect_view.hpp"
#include "cli/plan_view.hpp"
#include "cli/platform_argument.hpp"
#include "cli/record_stream.hpp"
#include "cli/target.hpp"
#include "oci/digest.hpp"

namespace lighterd::cli {
namespace {

Target remote_target(const std::string& name, const std::string& question) {
  parse_remote_name(name);
  return Target("/lighter/v1/remote/" + encode_name(name) + "/" + question);
}

std::string ask(Context& context, const std::string& name, const Target& target) {
  std::string document;
  with_registry_auth(context, name, [&](const base::Secret& auth) {
    document = get_document(context.client, {.target = target.text(), .registry_auth = auth});
  });
  return document;
}

std::string render_tags(const base::Json& document) {
  std::string text;
  for (const auto& tag : base::find_string_array(document, "Tags")) text += base::printable(tag) + "\n";
  return text;
}

template <typename F>
void show(Context& context, const std::string& document, F render) {
  context.console.write(context.format == OutputFormat::kJson ? prettify(document, charset_of(context.console))
                                                              : render(parse_document(document)));
}

ExitCode check_space(const base::Json& plan, Console& console) {
  const auto needed = base::find_integer(plan, "DiskNeeded").value_or(0);
  const auto free = base::find_integer(plan, "DiskFree").value_or(needed);
  if (needed <= free) return ExitCode::kDone;
  console.write_error("not enough disk: " + format_size(needed) + " needed, " + format_size(free) + " free");
  return ExitCode::kNoSpace;
}

// What the daemon would only say after it has asked the registry.
void check_id(const InspectOptions& options) {
  if (options.id.empty()) return;
  if (!oci::find_digest(options.id) && !oci::find_digest("sha256:" + options.id))
    throw Failure(ExitCode::kUsage, "--id: must be a digest or 64 hexadecimal digits");
  const oci::Reference reference = parse_remote_name(options.name);
  if (reference.tag() || reference.digest())
    throw Failure(ExitCode::kUsage, "--id goes with a name without tag or digest");
}

}  // namespace

ExitCode run(const InspectOptions& options, Context& context) {
  check_platforms({options.platform});
  check_id(options);
  Target target = remote_target(options.name, "inspect");
  if (!options.platform.empty()) target.add("platform", options.platform);
  if (!options.id.empty()) target.add("id", options.id);
  if (options.without_tags) target.add("tags", "0");
  if (options.with_referrers) target.add("referrers", "1");
  show(context, ask(context, options.name, target),
       [](const base::Json& document) { return render_inspect(document, base::now()); });
  return ExitCode::kDone;
}

ExitCode run(const TagsOptions& options, Context& context) {
  show(context, ask(context, options.name, remote_target(options.name, "tags")), render_tags);
  return ExitCode::kDone;
}

ExitCode run(const PlanOptions& options, Context& context) {
  check_platforms(options.platforms);
  Target target = remote_target(options.name, "plan");
  for (const auto& platform : options.platforms) target.add("platform", platform);
  const std::string document = ask(context, options.name, target);
  show(context, document, render_plan);
  return check_space(parse_document(document), context.console);
}

}  // namespace lighterd::cli
