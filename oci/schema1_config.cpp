// SPDX-License-Identifier: Apache-2.0
// Docker had one config for a schema 1 image, whose digest was the image's ID there; members stand in its order, so
// that the same one comes of it here.
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "base/time.hpp"
#include "oci/schema1.hpp"

namespace lighterd::oci {
namespace {

using base::Error;
using base::ErrorCode;
using base::Json;
using OrderedJson = nlohmann::ordered_json;

constexpr const char* kNoTime = "0001-01-01T00:00:00Z";  // Go's
constexpr std::array<unsigned long long, 3> kVerbatimSince = {1, 8, 3};
constexpr std::array kOfLayersOnly = {"id", "parent", "parent_id", "layer_id", "throwaway", "Size"};

// A member of a structure as Docker printed it: a missing one with its type's empty value, or not at all.
enum class Kind { kText, kFlag, kTexts, kSet, kWhatever };
enum class Empty { kPrinted, kLeftOut };
struct Member {
  const char* name;
  Kind kind;
  Empty empty;
};

constexpr std::array kRuntimeMembers = {
    Member{"Hostname", Kind::kText, Empty::kPrinted},
    Member{"Domainname", Kind::kText, Empty::kPrinted},
    Member{"User", Kind::kText, Empty::kPrinted},
    Member{"AttachStdin", Kind::kFlag, Empty::kPrinted},
    Member{"AttachStdout", Kind::kFlag, Empty::kPrinted},
    Member{"AttachStderr", Kind::kFlag, Empty::kPrinted},
    Member{"ExposedPorts", Kind::kSet, Empty::kLeftOut},
    Member{"Tty", Kind::kFlag, Empty::kPrinted},
    Member{"OpenStdin", Kind::kFlag, Empty::kPrinted},
    Member{"StdinOnce", Kind::kFlag, Empty::kPrinted},
    Member{"Env", Kind::kTexts, Empty::kPrinted},
    Member{"Cmd", Kind::kTexts, Empty::kPrinted},
    Member{"Healthcheck", Kind::kWhatever, Empty::kLeftOut},
    Member{"ArgsEscaped", Kind::kFlag, Empty::kLeftOut},
    Member{"Image", Kind::kText, Empty::kPrinted},
    Member{"Volumes", Kind::kSet, Empty::kPrinted},
    Member{"WorkingDir", Kind::kText, Empty::kPrinted},
    Member{"Entrypoint", Kind::kTexts, Empty::kPrinted},
    Member{"NetworkDisabled", Kind::kFlag, Empty::kLeftOut},
    Member{"MacAddress", Kind::kText, Empty::kLeftOut},
    Member{"OnBuild", Kind::kTexts, Empty::kPrinted},
    Member{"Labels", Kind::kSet, Empty::kPrinted},
    Member{"StopSignal", Kind::kText, Empty::kLeftOut},
    Member{"StopTimeout", Kind::kWhatever, Empty::kLeftOut},
    Member{"Shell", Kind::kTexts, Empty::kLeftOut},
};
constexpr std::array kTextsOfImage = {"comment",      "container", "docker_version", "author", "variant",
                                      "architecture", "os"};

// One text stands for a list of one.
OrderedJson texts_of(const Json& object, const char* name) {
  const auto member = object.find(name);
  if (member != object.end() && member->is_string()) return OrderedJson::array({member->get<std::string>()});
  if (base::find_array(object, name) == nullptr) return nullptr;
  return base::find_string_array(object, name);
}

OrderedJson value_of(const Json& object, const Member& member) {
  switch (member.kind) {
    case Kind::kText:
      return base::find_string(object, member.name).value_or("");
    case Kind::kFlag:
      return base::find_bool(object, member.name).value_or(false);
    case Kind::kTexts:
      return texts_of(object, member.name);
    case Kind::kSet: {
      const Json* set = base::find_object(object, member.name);
      return set == nullptr ? OrderedJson() : OrderedJson(*set);
    }
    case Kind::kWhatever:
      break;
  }
  const auto value = object.find(member.name);
  return value == object.end() ? OrderedJson() : OrderedJson(*value);
}

bool is_empty(const OrderedJson& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  if (value.is_boolean()) return !value.get<bool>();
  return value.empty();
}

OrderedJson complete_runtime(const Json& runtime) {
  OrderedJson result = OrderedJson::object();
  for (const Member& member : kRuntimeMembers) {
    OrderedJson value = value_of(runtime, member);
    if (member.empty == Empty::kPrinted || !is_empty(value)) result[member.name] = std::move(value);
  }
  return result;
}

std::string time_of(const Json& image) {
  const auto text = base::find_string(image, "created");
  const auto time = text ? base::parse_rfc3339(*text) : std::nullopt;
  return time ? base::format_rfc3339(*time) : kNoTime;
}

// As an old Docker would have written the same image: with what its structures have and nothing else.
OrderedJson complete_image(const Json& image) {
  OrderedJson result = OrderedJson::object();
  result["created"] = time_of(image);
  const Json* container = base::find_object(image, "container_config");
  result["container_config"] = complete_runtime(container == nullptr ? Json::object() : *container);
  if (const Json* runtime = base::find_object(image, "config")) result["config"] = complete_runtime(*runtime);
  for (const char* name : kTextsOfImage)
    if (auto text = base::find_string(image, name).value_or(""); !text.empty()) result[name] = std::move(text);
  return result;
}

// Parts that are no numbers count as 0: "1.8.3-rc1" is before 1.8.3.
bool is_verbatim(std::string_view docker_version) {
  for (const unsigned long long wanted : kVerbatimSince) {
    const std::size_t dot = docker_version.find('.');
    const auto part = base::parse_unsigned(docker_version.substr(0, dot)).value_or(0);
    if (part != wanted) return part > wanted;
    docker_version.remove_prefix(dot == std::string_view::npos ? docker_version.size() : dot + 1);
  }
  return true;
}

std::string command_of(const Json& image) {
  const Json* container = base::find_object(image, "container_config");
  if (container == nullptr) return {};
  const OrderedJson words = texts_of(*container, "Cmd");
  std::string command;
  for (const auto& word : words) command += (command.empty() ? "" : " ") + word.get<std::string>();
  return command;
}

OrderedJson history_of(const Schema1Entry& entry) {
  const Json image = base::parse_json(entry.v1_json, "v1Compatibility");
  OrderedJson result = {{"created", time_of(image)}};
  const auto add = [&result](const char* name, std::string text) {
    if (!text.empty()) result[name] = std::move(text);
  };
  add("author", base::find_string(image, "author").value_or(""));
  add("created_by", command_of(image));
  add("comment", base::find_string(image, "comment").value_or(""));
  if (entry.is_throwaway) result["empty_layer"] = true;
  return result;
}

OrderedJson rootfs_of(const std::vector<DiffID>& diff_ids) {
  OrderedJson list = OrderedJson::array();
  for (const DiffID& diff_id : diff_ids) list.push_back(diff_id.to_string());
  OrderedJson rootfs = OrderedJson::object();
  rootfs["type"] = "layers";
  rootfs["diff_ids"] = std::move(list);
  return rootfs;
}

// Go escapes in JSON what HTML would take for its own. None of it stands outside of strings.
std::string escape_html(const std::string& text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char character : text) {
    switch (character) {
      case '<':
        escaped += "\\u003c";
        break;
      case '>':
        escaped += "\\u003e";
        break;
      case '&':
        escaped += "\\u0026";
        break;
      default:
        escaped += character;
    }
  }
  return escaped;
}

}  // namespace

std::string make_schema1_config(const Schema1Manifest& manifest, const std::vector<DiffID>& diff_ids) {
  if (diff_ids.size() != manifest.layers().size())
    throw Error(ErrorCode::kInvalidArgument,
                "number of layers and diffIDs don't match: " + std::to_string(manifest.layers().size()) +
                    " != " + std::to_string(diff_ids.size()));
  const Schema1Entry& newest = manifest.entries.back();
  const Json image = base::parse_json(newest.v1_json, "v1Compatibility");
  const bool verbatim = is_verbatim(base::find_string(image, "docker_version").value_or(""));
  // Parsed above with its limits; here once more for the order.
  const OrderedJson own = verbatim ? OrderedJson::parse(newest.v1_json) : complete_image(image);
  std::map<std::string, OrderedJson> members;
  for (const auto& [name, value] : own.items()) members.emplace(name, value);
  for (const char* name : kOfLayersOnly) members.erase(name);
  // Entries of the first Dockers have no platform; only Linux was spoken of then.
  const auto fill_in = [&members](const char* name, const std::string& text) {
    if (text.empty()) return;
    OrderedJson& member = members[name];
    if (!member.is_string() || member.get_ref<const std::string&>().empty()) member = text;
  };
  fill_in("architecture", manifest.architecture);
  fill_in("os", "linux");
  OrderedJson history = OrderedJson::array();
  for (const Schema1Entry& entry : manifest.entries) history.push_back(history_of(entry));
  members.insert_or_assign("history", std::move(history));
  members.insert_or_assign("rootfs", rootfs_of(diff_ids));
  OrderedJson config = OrderedJson::object();
  for (auto& [name, value] : members) config[name] = std::move(value);
  return escape_html(base::to_text(config));
}

ImageConfig describe_schema1(const Schema1Manifest& manifest) {
  // The number has to be right, and nobody sees them.
  ImageConfig config = parse_image_config(make_schema1_config(manifest, manifest.layers()));
  config.diff_ids.clear();
  return config;
}

}  // namespace lighterd::oci
