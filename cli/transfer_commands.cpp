// SPDX-License-Identifier: Apache-2.0
// pull and push.
#include <algorithm>
#include <optional>

#include "cli/commands.hpp"
#include "cli/image_name.hpp"
#include "cli/platform_argument.hpp"
#include "cli/record_stream.hpp"
#include "cli/target.hpp"

namespace lighterd::cli {
namespace {

constexpr const char* kDefaultTag = "latest";

// What the daemon takes as `tag`: a tag or a digest; with neither, the default tag or, for all tags, nothing.
std::string version_of(const oci::Reference& reference, const TransferOptions& options) {
  const bool has_version = reference.tag() || reference.digest();
  if (options.all_tags && has_version) throw Failure(ExitCode::kUsage, "a tag cannot be given with --all-tags");
  if (options.all_tags) return {};
  if (reference.digest()) return reference.digest()->to_string();
  return reference.tag().value_or(kDefaultTag);
}

bool wants_all_platforms(const TransferOptions& options) {
  return std::find(options.platforms.begin(), options.platforms.end(), kAllPlatforms) != options.platforms.end();
}

void check_all_tags(const PullOptions& options) {
  if (options.all_tags && options.platforms.size() > 1)
    throw Failure(ExitCode::kUsage, "with --all-tags there can be one --platform");
  if (options.all_tags && wants_all_platforms(options))
    throw Failure(ExitCode::kUsage,
                  "with --all-tags --platform is os/arch[/variant]: whole indexes are pulled by their tags");
}

Target& add_platforms(Target& target, const TransferOptions& options) {
  for (const auto& platform : options.platforms) target.add("platform", platform);
  return target;
}

void transfer(Context& context, const TransferOptions& options, const Target& target, const std::string& done) {
  const Verbosity verbosity = options.quiet ? Verbosity::kQuiet : Verbosity::kProgress;
  with_registry_auth(context, options.name, [&](const base::Secret& auth) {
    run_stream(context, {.method = "POST", .target = target.text(), .registry_auth = auth}, verbosity);
  });
  if (context.format == OutputFormat::kText) context.console.write(done + "\n");
}

std::string full_name(const oci::Reference& reference, const TransferOptions& options) {
  return options.all_tags ? reference.repository().to_string() : reference.with_default_tag().to_string();
}

}  // namespace

// All tags of one platform are Docker's to pull: our own path takes one tag.
ExitCode run(const PullOptions& options, Context& context) {
  const oci::Reference reference = parse_image_name(options.name);
  const std::string version = version_of(reference, options);
  check_platforms(options.platforms);
  check_all_tags(options);
  const bool is_ours = !options.platforms.empty() && !options.all_tags;
  Target target(is_ours ? "/lighter/v1/images/pull" : "/v1.55/images/create");
  target.add("fromImage", reference.repository().familiar());
  if (!version.empty()) target.add("tag", version);
  transfer(context, options, add_platforms(target, options), full_name(reference, options));
  return ExitCode::kDone;
}

ExitCode run(const PushOptions& options, Context& context) {
  const oci::Reference reference = parse_image_name(options.name);
  if (reference.digest()) throw Failure(ExitCode::kUsage, "a digest cannot be pushed: name a tag");
  const std::string version = version_of(reference, options);
  check_platforms(options.platforms);
  const bool is_ours = !options.platforms.empty();
  Target target((is_ours ? "/lighter/v1/images/" : "/v1.55/images/") + encode_name(reference.repository().familiar()) +
                "/push");
  if (!version.empty()) target.add("tag", version);
  transfer(context, options, add_platforms(target, options), full_name(reference, options));
  return ExitCode::kDone;
}

}  // namespace lighterd::cli
