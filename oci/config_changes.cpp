// SPDX-License-Identifier: Apache-2.0
#include "oci/config_changes.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "base/time.hpp"
#include "oci/dockerfile.hpp"
#include "oci/port_range.hpp"
#include "oci/signal_name.hpp"

namespace lighterd::oci {
namespace {

using base::Error;
using base::ErrorCode;
using base::Json;
using Instruction = DockerfileInstruction;

[[noreturn]] void fail(const std::string& why) {
  throw Error(ErrorCode::kInvalidArgument, why);
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return out;
}

std::string in_quotes(std::string_view text) {
  return base::to_text(Json(std::string(text)));
}

struct NameValue {
  std::string name;
  std::string value;
};

// "name=value ..." or, without '=' in the first word, "name the rest of the line".
std::vector<NameValue> parse_name_values(const Instruction& instruction, char escape) {
  const std::string command = upper(instruction.name);
  const std::vector<std::string> words = split_words(instruction.arguments, escape);
  if (words.empty()) fail(command + " requires at least one argument");
  std::vector<NameValue> pairs;
  if (words.front().find('=') == std::string::npos) {
    const std::size_t blank = instruction.arguments.find_first_of(" \t\v\f\r");
    if (blank == std::string::npos) fail(command + " must have two arguments");
    pairs.push_back({instruction.arguments.substr(0, blank),
                     instruction.arguments.substr(instruction.arguments.find_first_not_of(" \t\v\f\r", blank))});
    return pairs;
  }
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos)
      fail("Syntax error - can't find = in " + in_quotes(word) + ". Must be of the form: name=value");
    if (equals == 0) fail(command + " names can not be blank");
    pairs.push_back({word.substr(0, equals), word.substr(equals + 1)});
  }
  return pairs;
}

// The options of HEALTHCHECK.
class Flags {
 public:
  Flags(const Instruction& instruction, const std::vector<std::string_view>& known) {
    for (const std::string& flag : instruction.flags) {
      const std::size_t equals = flag.find('=');
      const std::string name = flag.substr(2, equals == std::string::npos ? equals : equals - 2);
      if (std::ranges::find(known, name) == known.end()) fail("Unknown flag: " + name);
      if (find(name)) fail("Duplicate flag specified: " + name);
      if (equals == std::string::npos) fail("Missing a value on flag: " + name);
      values_.push_back({name, flag.substr(equals + 1)});
    }
  }

  // Nothing for an empty one as well.
  std::optional<std::string> find(std::string_view name) const {
    const auto found = std::ranges::find(values_, name, &NameValue::name);
    return found == values_.end() || found->value.empty() ? std::nullopt : std::optional(found->value);
  }

 private:
  std::vector<NameValue> values_;
};

std::int64_t parse_interval(const std::string& text, std::string_view flag) {
  const auto duration = base::parse_duration(text);
  if (!duration) fail("time: invalid duration " + in_quotes(text));
  if (*duration < std::chrono::milliseconds(1)) fail("Interval " + in_quotes(flag) + " cannot be less than 1ms");
  return duration->count();
}

std::int64_t parse_retries(const std::string& text) {
  const bool is_negative = text.starts_with('-');
  const auto number = base::parse_unsigned(std::string_view(text).substr(is_negative || text.starts_with('+') ? 1 : 0));
  if (!number || *number > 2'147'483'647) fail("strconv.ParseInt: parsing " + in_quotes(text) + ": invalid syntax");
  if (is_negative || *number < 1) fail("--retries must be at least 1 (not " + text + ")");
  return static_cast<std::int64_t>(*number);
}

// Each instruction works on what those before it left.
class ConfigBuilder {
 public:
  explicit ConfigBuilder(char escape) : escape_(escape), expander_(escape) {}

  void apply(const Instruction& instruction) {
    const auto handler = std::ranges::find(kHandlers, std::string_view(instruction.name), &Handler::name);
    if (instruction.name != "healthcheck") (void)Flags(instruction, {});
    (this->*handler->function)(instruction);
  }

  static bool is_known(std::string_view name) {
    return std::ranges::find(kHandlers, name, &Handler::name) != kHandlers.end();
  }

  Json take() {
    if (!environment_.empty()) config_["Env"] = environment_;
    return std::move(config_);
  }

 private:
  struct Handler {
    std::string_view name;
    void (ConfigBuilder::*function)(const Instruction&);
  };

  std::string expand(std::string_view word) { return expander_.expand(word, environment_); }

  std::string get_single(const Instruction& instruction) {
    if (instruction.arguments.empty()) fail(upper(instruction.name) + " requires exactly one argument");
    return expand(instruction.arguments);
  }

  // The exec form as it stands, the shell form behind the shell.
  static std::vector<std::string> parse_command(const Instruction& instruction) {
    if (auto words = find_json_words(instruction.arguments)) return *std::move(words);
    if (instruction.arguments.empty()) return {};
    return {"/bin/sh", "-c", instruction.arguments};
  }

  void set_list(const char* key, const std::vector<std::string>& values) {
    if (values.empty()) {
      config_.erase(key);
    } else {
      config_[key] = values;
    }
  }

  void apply_cmd(const Instruction& instruction) {
    std::vector<std::string> command = parse_command(instruction);
    has_command_ = has_command_ || !command.empty();
    set_list("Cmd", command);
  }

  // A command that was meant for the entrypoint before does not stay.
  void apply_entrypoint(const Instruction& instruction) {
    set_list("Entrypoint", parse_command(instruction));
    if (!has_command_) config_.erase("Cmd");
  }

  void apply_env(const Instruction& instruction) {
    std::vector<NameValue> pairs = parse_name_values(instruction, escape_);
    // The variables of one instruction do not see each other.
    for (NameValue& pair : pairs) pair = {expand(pair.name), expand(pair.value)};
    for (const NameValue& pair : pairs) {
      const std::string start = pair.name + "=";
      const auto known = std::ranges::find_if(environment_, [&](const auto& each) { return each.starts_with(start); });
      if (known == environment_.end()) {
        environment_.push_back(start + pair.value);
      } else {
        *known = start + pair.value;
      }
    }
  }

  void apply_label(const Instruction& instruction) {
    for (const NameValue& pair : parse_name_values(instruction, escape_)) {
      const std::string name = expand(pair.name);
      config_["Labels"][name] = expand(pair.value);
    }
  }

  void apply_expose(const Instruction& instruction) {
    const std::vector<std::string> words = split_at_blanks(instruction.arguments);
    if (words.empty()) fail("EXPOSE requires at least one argument");
    for (const std::string& word : words)
      for (const std::string& port : split_at_blanks(expand(word))) expose(parse_port_range(port));
  }

  void expose(const PortRange& range) {
    exposed_ports_ += range.last - range.first + 1;
    if (exposed_ports_ > kMaxExposedPorts) fail("too many ports are exposed");
    for (int port = range.first; port <= range.last; ++port)
      config_["ExposedPorts"][std::to_string(port) + "/" + range.protocol] = Json::object();
  }

  void apply_healthcheck(const Instruction& instruction) {
    const std::vector<std::string> words = split_at_blanks(instruction.arguments);
    if (words.empty()) fail("HEALTHCHECK requires at least one argument");
    const std::string type = upper(words.front());
    const Flags flags(instruction, {"interval", "timeout", "start-period", "start-interval", "retries"});
    const std::string command(base::trim(std::string_view(instruction.arguments).substr(words.front().size())));
    if (type == "NONE") {
      if (!command.empty()) fail("HEALTHCHECK NONE takes no arguments");
      config_["Healthcheck"] = {{"Test", Json::array({"NONE"})}};
      return;
    }
    if (type != "CMD") fail("Unknown type " + in_quotes(type) + " in HEALTHCHECK (try CMD)");
    Json check = {{"Test", parse_test(command)}};
    const std::array<std::pair<const char*, const char*>, 4> intervals = {{{"interval", "Interval"},
                                                                           {"timeout", "Timeout"},
                                                                           {"start-period", "StartPeriod"},
                                                                           {"start-interval", "StartInterval"}}};
    for (const auto& [flag, key] : intervals)
      if (const auto value = flags.find(flag)) check[key] = parse_interval(*value, flag);
    if (const auto retries = flags.find("retries")) check["Retries"] = parse_retries(*retries);
    config_["Healthcheck"] = std::move(check);
  }

  static std::vector<std::string> parse_test(const std::string& command) {
    std::vector<std::string> test = {"CMD-SHELL", command};
    if (auto words = find_json_words(command)) {
      test.resize(1);
      test.front() = "CMD";
      test.insert(test.end(), words->begin(), words->end());
    }
    if (test.size() == 1 || command.empty()) fail("Missing command after HEALTHCHECK CMD");
    return test;
  }

  void apply_onbuild(const Instruction& instruction) {
    if (instruction.arguments.empty()) fail("ONBUILD requires at least one argument");
    const std::string trigger = upper(split_at_blanks(instruction.arguments).front());
    if (trigger == "ONBUILD") fail("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger == "MAINTAINER" || trigger == "FROM") fail(trigger + " isn't allowed as an ONBUILD trigger");
    // As it was written.
    const std::string_view line = base::trim(instruction.original);
    config_["OnBuild"].push_back(std::string(base::trim(line.substr(instruction.name.size()))));
  }

  void apply_stopsignal(const Instruction& instruction) {
    const std::string signal = get_single(instruction);
    if (!is_signal(signal)) fail("Invalid signal: " + signal);
    config_["StopSignal"] = signal;
  }

  void apply_user(const Instruction& instruction) { config_["User"] = get_single(instruction); }

  void apply_volume(const Instruction& instruction) {
    const auto list = find_json_words(instruction.arguments);
    const std::vector<std::string> volumes = list ? *list : split_at_blanks(instruction.arguments);
    if (volumes.empty()) fail("VOLUME requires at least one argument");
    for (const std::string& volume : volumes) {
      const std::string path(base::trim(volume));
      if (path.empty()) fail("VOLUME specified can not be an empty string");
      config_["Volumes"][expand(path)] = Json::object();
    }
  }

  void apply_workdir(const Instruction& instruction) {
    const std::string path = get_single(instruction);
    if (path.empty()) fail("cannot normalize nothing");
    config_["WorkingDir"] = path.starts_with('/') ? path : join_path(config_.value("WorkingDir", ""), path);
  }

  // As Go's filepath.Join below "/".
  static std::string join_path(const std::string& folder, const std::string& path) {
    std::vector<std::string> parts;
    const std::string whole = folder + "/" + path;
    for (std::size_t at = 0; at < whole.size();) {
      const std::size_t end = std::min(whole.find('/', at), whole.size());
      const std::string part = whole.substr(at, end - at);
      if (part == ".." && !parts.empty()) parts.pop_back();
      if (!part.empty() && part != "." && part != "..") parts.push_back(part);
      at = end + 1;
    }
    std::string joined;
    for (const std::string& part : parts) joined += "/" + part;
    return joined.empty() ? "/" : joined;
  }

  static constexpr int kMaxExposedPorts = 4 * 65536;
  static constexpr std::array<Handler, 11> kHandlers = {{{"cmd", &ConfigBuilder::apply_cmd},
                                                         {"entrypoint", &ConfigBuilder::apply_entrypoint},
                                                         {"env", &ConfigBuilder::apply_env},
                                                         {"expose", &ConfigBuilder::apply_expose},
                                                         {"healthcheck", &ConfigBuilder::apply_healthcheck},
                                                         {"label", &ConfigBuilder::apply_label},
                                                         {"onbuild", &ConfigBuilder::apply_onbuild},
                                                         {"stopsignal", &ConfigBuilder::apply_stopsignal},
                                                         {"user", &ConfigBuilder::apply_user},
                                                         {"volume", &ConfigBuilder::apply_volume},
                                                         {"workdir", &ConfigBuilder::apply_workdir}}};

  char escape_;
  WordExpander expander_;
  Json config_ = Json::object();
  std::vector<std::string> environment_;
  bool has_command_ = false;
  int exposed_ports_ = 0;
};

}  // namespace

Json make_config(const std::vector<std::string>& changes) {
  if (changes.empty()) return Json::object();
  std::string text;
  for (const std::string& change : changes) text += change + "\n";
  const Dockerfile file = parse_dockerfile(text);
  for (const Instruction& instruction : file.instructions)
    if (!ConfigBuilder::is_known(instruction.name)) fail(instruction.name + " is not a valid change command");
  ConfigBuilder builder(file.escape);
  for (const Instruction& instruction : file.instructions) builder.apply(instruction);
  return builder.take();
}

}  // namespace lighterd::oci
