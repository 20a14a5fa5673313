// SPDX-License-Identifier: Apache-2.0
#include "oci/image_config.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/json_keys.hpp"
#include "oci/manifest.hpp"

namespace lighterd::oci {
namespace {

using base::Error;
using base::ErrorCode;
using base::Json;

constexpr std::size_t kMaxHistoryEntries = 10'000;
// A value takes a hundred times the memory of its text.
constexpr std::size_t kMaxValues = 200'000;

std::string find_text(const Json& object, std::string_view key) {
  return base::find_string(object, key).value_or("");
}

// Go's zero time and other dates that a Timestamp cannot hold are as good as none.
std::optional<base::Timestamp> find_time(const Json& object, std::string_view key) {
  const auto text = base::find_string(object, key);
  return text ? base::parse_rfc3339(*text) : std::nullopt;
}

std::vector<DiffID> get_diff_ids(const Json& root) {
  const Json* rootfs = base::find_object(root, "rootfs");
  if (rootfs == nullptr) throw Error(ErrorCode::kInvalidArgument, "\"rootfs\" is missing");
  if (base::get_string(*rootfs, "type") != "layers")
    throw Error(ErrorCode::kInvalidArgument, "\"rootfs.type\" must be \"layers\"");
  const Json* array = base::find_array(*rootfs, "diff_ids");
  if (array == nullptr) throw Error(ErrorCode::kInvalidArgument, "\"rootfs.diff_ids\" is missing");
  if (array->size() > kMaxLayers)
    throw Error(ErrorCode::kInvalidArgument, "more than " + std::to_string(kMaxLayers) + " layers");
  std::vector<DiffID> diff_ids;
  diff_ids.reserve(array->size());
  for (const std::string& text : base::find_string_array(*rootfs, "diff_ids")) diff_ids.push_back(parse_digest(text));
  return diff_ids;
}

std::vector<HistoryEntry> find_history(const Json& root, std::size_t layers) {
  std::vector<HistoryEntry> history;
  const Json* array = base::find_array(root, "history");
  if (array == nullptr) return history;
  if (array->size() > kMaxHistoryEntries)
    throw Error(ErrorCode::kInvalidArgument, "more than " + std::to_string(kMaxHistoryEntries) + " history entries");
  history.reserve(array->size());
  for (const Json& entry : *array)
    history.push_back({.created = find_time(entry, "created"),
                       .created_by = find_text(entry, "created_by"),
                       .author = find_text(entry, "author"),
                       .comment = find_text(entry, "comment"),
                       .empty_layer = base::find_bool(entry, "empty_layer").value_or(false)});
  const auto with_layer = std::ranges::count(history, false, &HistoryEntry::empty_layer);
  if (static_cast<std::size_t>(with_layer) > layers)
    throw Error(ErrorCode::kInvalidArgument,
                "history has " + std::to_string(with_layer) + " layers, rootfs has " + std::to_string(layers));
  return history;
}

std::map<std::string, std::string> find_labels(const Json& runtime) {
  std::map<std::string, std::string> labels;
  const Json* members = base::find_object(runtime, "Labels");
  if (members == nullptr) return labels;
  for (const auto& [name, value] : members->items()) labels[name] = find_text(*members, name);
  return labels;
}

// All but rootfs and history.
ImageConfig description_from_json(const Json& root) {
  ImageConfig config{
      .platform = platform_from_json(root),
      .created = find_time(root, "created"),
      .author = find_text(root, "author"),
      .comment = find_text(root, "comment"),
      .docker_version = find_text(root, "docker_version"),
      .container = find_text(root, "container"),
      .diff_ids = {},
      .history = {},
      .labels = {},
      .runtime_json = "{}",
      .container_config_json = {},
  };
  if (const Json* runtime = base::find_object(root, "config")) {
    config.labels = find_labels(*runtime);
    config.runtime_json = base::to_text(*runtime);
  }
  if (const Json* container = base::find_object(root, "container_config"))
    config.container_config_json = base::to_text(*container);
  return config;
}

ImageConfig config_from_json(const Json& root) {
  ImageConfig config = description_from_json(root);
  config.diff_ids = get_diff_ids(root);
  config.history = find_history(root, config.diff_ids.size());
  return config;
}

template <typename Read>
ImageConfig parse_config(std::string_view bytes, const Read& read) {
  const Json root = base::parse_json(bytes, "image config", {.max_bytes = kMaxConfigBytes, .max_values = kMaxValues});
  try {
    refuse_case_variants(root, {"architecture", "os", "variant", "created", "config", "rootfs", "history"});
    return read(root);
  } catch (Error& error) {
    error.add_context("image config");
    throw;
  }
}

}  // namespace

ImageConfig parse_image_config(std::string_view bytes) {
  return parse_config(bytes, config_from_json);
}

ImageConfig parse_v1_image(std::string_view bytes) {
  return parse_config(bytes, description_from_json);
}

}  // namespace lighterd::oci
