// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.hpp"

#include <CLI/CLI.hpp>

#include "base/encoding.hpp"
#include "cli/version.hpp"

namespace lighterd::cli {
namespace {

constexpr const char* kExitCodes =
    "Exit codes:\n"
    "  0    done\n"
    "  1    the daemon or a registry refused or failed\n"
    "  2    wrong usage, or a file that cannot be opened\n"
    "  3    the daemon cannot be reached\n"
    "  4    no such image, tag or repository\n"
    "  5    access denied, or a login is needed\n"
    "  6    plan: not enough disk\n"
    "  130  interrupted\n";

constexpr const char* kPlatformText = "os/arch[/variant]; repeatable; all: whatever the index has";

// The options of a command and the name of the program; `command` is set when the command line names it.
template <typename Options>
CLI::App* add_command(CLI::App& app, const char* name, const char* text, const char* examples,
                      std::optional<Command>& command, const std::shared_ptr<Options>& options) {
  CLI::App* added = app.add_subcommand(name, text);
  added->footer(std::string("Examples:\n") + examples + "\nlighter --help has -H, --json and the exit codes.");
  added->final_callback([&command, options] { command = *options; });
  return added;
}

void add_name(CLI::App* command, std::string& name, const char* text) {
  command->add_option("NAME", name, text)->required()->type_name("");
}

void add_platforms(CLI::App* command, std::vector<std::string>& platforms, const char* text = kPlatformText) {
  command->add_option("--platform", platforms, text)->type_name("PLATFORM")->allow_extra_args(false);
}

void add_inspect(CLI::App& app, std::optional<Command>& command) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* added = add_command(app, "inspect", "Show an image of a registry without pulling it",
                                "  lighter inspect alpine:3\n"
                                "  lighter inspect --platform all --json registry.example.com/team/app:1\n",
                                command, options);
  add_name(added, options->name, "name[:tag] or name@digest; the registry may be a URL");
  added->add_option("--platform", options->platform, "Entry of an index: os/arch[/variant]; all: every one")
      ->type_name("PLATFORM");
  added->add_option("--id", options->id, "A digest, or an image ID of an old registry, in place of a tag")
      ->type_name("ID");
  added->add_flag("--no-tags", options->without_tags, "Do not list the tags of the repository: one request less");
  added->add_flag("--referrers", options->with_referrers, "List what refers to the image");
}

void add_tags(CLI::App& app, std::optional<Command>& command) {
  auto options = std::make_shared<TagsOptions>();
  CLI::App* added =
      add_command(app, "tags", "List the tags of a repository", "  lighter tags alpine\n", command, options);
  add_name(added, options->name, "Repository; the registry may be a URL");
}

void add_plan(CLI::App& app, std::optional<Command>& command) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* added = add_command(app, "plan", "Say what a pull would fetch and reuse, and whether the disk has room",
                                "  lighter plan alpine:3 && lighter pull alpine:3\n", command, options);
  add_name(added, options->name, "name[:tag] or name@digest");
  add_platforms(added, options->platforms);
}

void add_transfer_flags(CLI::App* command, TransferOptions& options) {
  add_platforms(command, options.platforms);
  command->add_flag("-a,--all-tags", options.all_tags, "All tags of the repository");
  command->add_flag("-q,--quiet", options.quiet, "Print the name alone");
}

void add_transfers(CLI::App& app, std::optional<Command>& command) {
  auto pull = std::make_shared<PullOptions>();
  CLI::App* added = add_command(app, "pull", "Pull an image from a registry",
                                "  lighter pull alpine:3\n"
                                "  lighter pull --platform linux/amd64 --platform linux/arm64 alpine:3\n"
                                "  lighter pull -a registry.example.com/team/app\n",
                                command, pull);
  add_name(added, pull->name, "name[:tag] or name@digest");
  add_transfer_flags(added, *pull);
  auto push = std::make_shared<PushOptions>();
  added = add_command(app, "push", "Push an image to its registry",
                      "  lighter push registry.example.com/team/app:1\n"
                      "  lighter push --platform all registry.example.com/team/app:1\n",
                      command, push);
  add_name(added, push->name, "name[:tag]");
  add_transfer_flags(added, *push);
}

void add_images(CLI::App& app, std::optional<Command>& command) {
  auto options = std::make_shared<ImagesOptions>();
  CLI::App* added = add_command(app, "images", "List the images of the daemon",
                                "  lighter images\n"
                                "  lighter images --filter dangling=true -q\n",
                                command, options);
  added->alias("ls");
  added->add_option("NAME", options->name, "Repository[:tag], with * and ? as in file names")->type_name("");
  added->add_option("-f,--filter", options->filters, "key=value, as docker has them; repeatable")
      ->type_name("FILTER")
      ->allow_extra_args(false);
  added->add_flag("-a,--all", options->all, "Intermediate images as well");
  added->add_flag("-q,--quiet", options->quiet, "IDs alone");
  added->add_flag("--digests", options->with_digests, "Show digests");
  added->add_flag("--no-trunc", options->whole_ids, "Whole IDs");
}

void add_remove(CLI::App& app, std::optional<Command>& command) {
  auto options = std::make_shared<RemoveOptions>();
  CLI::App* added =
      add_command(app, "rm", "Remove images from the daemon", "  lighter rm alpine:3 1c53a4c7cb0d\n", command, options);
  added->alias("rmi");
  added->add_option("NAME", options->names, "Names or IDs; each is tried")->required()->type_name("");
  added->add_flag("-f,--force", options->force, "Also what has several names");
}

void add_archives(CLI::App& app, std::optional<Command>& command) {
  auto save = std::make_shared<SaveOptions>();
  CLI::App* added = add_command(app, "save", "Write images to an archive",
                                "  lighter save -o app.tar app:1 app:2\n"
                                "  lighter save app:1 | zstd > app.tar.zst\n",
                                command, save);
  added->add_option("NAME", save->names, "Names or IDs")->required()->type_name("");
  added->add_option("-o,--output", save->file, "File that is there only when it is whole; default: standard output")
      ->type_name("FILE");
  add_platforms(added, save->platforms, "os/arch[/variant]; repeatable");
  auto load = std::make_shared<LoadOptions>();
  added = add_command(app, "load", "Read images from an archive",
                      "  lighter load -i app.tar\n"
                      "  curl -s https://files.example.com/app.tar.gz | lighter load\n",
                      command, load);
  added->add_option("-i,--input", load->file, "File, plain or compressed; default: standard input")->type_name("FILE");
  added->add_flag("-q,--quiet", load->quiet, "No progress");
}

std::string indented(std::string text) {
  for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) text[at] = ' ';
  return text;
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv, const Environment& environment) {
  CommandLine result;
  std::string host = environment.host;
  bool is_json = false;
  CLI::App app("lighter - looks into registries and moves images, with the help of lighterd", "lighter");
  app.footer(kExitCodes);
  app.set_version_flag("-v,--version", std::string("lighter version ") + kVersion + ", build " + kCommit);
  app.add_option("-H,--host", host,
                 "The daemon: unix:///path, tcp://host[:port] or host:port; or LIGHTER_HOST in the environment")
      ->default_str(base::printable(environment.host))
      ->type_name("HOST");
  app.add_flag("--json", is_json, "The daemon's JSON: a document, or a record on each line for what makes progress");
  app.require_subcommand(1)->fallthrough();
  add_inspect(app, result.command);
  add_tags(app, result.command);
  add_plan(app, result.command);
  add_transfers(app, result.command);
  add_images(app, result.command);
  add_remove(app, result.command);
  add_archives(app, result.command);
  try {
    app.parse(argc, argv);
    result.host = parse_host(host, environment.default_host);
    result.format = is_json ? OutputFormat::kJson : OutputFormat::kText;
    return result;
  } catch (const CLI::CallForHelp&) {
    result.text = app.help();
  } catch (const CLI::CallForVersion& version) {
    result.text = std::string(version.what()) + "\n";
  } catch (const CLI::ParseError& error) {
    result.text = "lighter: " + indented(error.what()) + "\nRun 'lighter --help' for the commands.\n";
    result.exit_code = ExitCode::kUsage;
  } catch (const Failure& failure) {
    result.text = "lighter: " + failure.text() + "\n";
    result.exit_code = failure.exit_code();
  }
  result.command.reset();
  return result;
}

}  // namespace lighterd::cli
