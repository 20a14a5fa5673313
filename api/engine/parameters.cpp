// SPDX-License-Identifier: Apache-2.0
#include "api/engine/parameters.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/new_name.hpp"

namespace lighterd::api {

using base::Error;
using base::ErrorCode;
using base::Json;

namespace {

constexpr base::JsonLimits kPlatformLimits = {.max_bytes = std::size_t{64} * 1024, .max_depth = 4, .max_values = 1000};

// Go takes a key in any case for the field of that name; other keys mean nothing.
Json with_lower_keys(const Json& object) {
  if (!object.is_object()) throw Error(ErrorCode::kInvalidArgument, "expected an object");
  Json lowered = Json::object();
  for (const auto& [key, value] : object.items()) lowered[base::to_lower(key)] = value;
  return lowered;
}

oci::Platform read_platform(std::string_view json) {
  try {
    const Json root = base::parse_json(json, "json", kPlatformLimits);
    return root.is_null() ? oci::Platform{} : oci::platform_from_json(with_lower_keys(root));
  } catch (Error& error) {
    error.add_context("failed to parse platform");
    throw;
  }
}

}  // namespace

bool parse_bool(std::string_view text) {
  constexpr std::array<std::string_view, 5> kFalse = {"", "0", "no", "false", "none"};
  return std::ranges::find(kFalse, base::to_lower(base::trim(text))) == kFalse.end();
}

bool get_bool(const Parameters& parameters, std::string_view name) {
  const std::string* value = parameters.find(name);
  return value != nullptr && parse_bool(*value);
}

std::string get_text(const Parameters& parameters, std::string_view name) {
  const std::string* value = parameters.find(name);
  return value == nullptr ? std::string() : *value;
}

std::optional<oci::Reference> find_new_name(const Parameters& parameters) {
  const std::string repository = get_text(parameters, "repo");
  if (repository.empty()) return std::nullopt;
  const oci::Reference reference = oci::parse_reference(repository);
  if (reference.digest()) throw Error(ErrorCode::kInvalidArgument, "cannot import digest reference");
  oci::check_new_name(reference);
  const std::string tag = get_text(parameters, "tag");
  return tag.empty() ? reference.with_default_tag() : reference.with_tag(tag);
}

oci::Platform parse_json_platform(std::string_view json) {
  oci::Platform platform = read_platform(json);
  const bool has_optional = !platform.variant.empty() || !platform.os_version.empty() || !platform.os_features.empty();
  if (platform.os.empty() && platform.architecture.empty() && has_optional)
    throw Error(ErrorCode::kInvalidArgument, "optional platform fields provided, but OS and Architecture are missing");
  if (platform.os.empty() || platform.architecture.empty())
    throw Error(ErrorCode::kInvalidArgument, "both OS and Architecture must be provided");
  return platform;
}

std::optional<oci::Platform> find_json_platform(const Parameters& parameters, std::string_view name) {
  const std::string* value = parameters.find(name);
  if (value == nullptr || value->empty()) return std::nullopt;
  return parse_json_platform(*value);
}

std::vector<oci::Platform> list_json_platforms(const Parameters& parameters, std::string_view name) {
  std::vector<oci::Platform> platforms;
  for (const std::string& value : parameters.all(name)) platforms.push_back(parse_json_platform(value));
  return platforms;
}

}  // namespace lighterd::api
