// SPDX-License-Identifier: Apache-2.0
#include "api/engine/api_version.hpp"

#include <algorithm>
#include <limits>

#include "base/encoding.hpp"

namespace lighterd::api {
namespace {

constexpr std::string_view kVersionCharacters = "0123456789.";

std::string_view take_component(std::string_view& version) {
  const std::size_t dot = version.find('.');
  const std::string_view component = version.substr(0, dot);
  version.remove_prefix(dot == std::string_view::npos ? version.size() : dot + 1);
  return component;
}

// A number that is too large for any version stays larger than all of them.
unsigned long long number(std::string_view component) {
  const bool digits = !component.empty() && component.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits) return 0;
  return base::parse_unsigned(component).value_or(std::numeric_limits<unsigned long long>::max());
}

}  // namespace

int compare_versions(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    const auto left = number(take_component(a));
    const auto right = number(take_component(b));
    if (left != right) return left < right ? -1 : 1;
  }
  return 0;
}

VersionedPath split_version(std::string_view path) {
  constexpr std::string_view kPrefix = "/v";
  if (!path.starts_with(kPrefix)) return {std::nullopt, path};
  const std::string_view rest = path.substr(kPrefix.size());
  const std::size_t end = rest.find_first_not_of(kVersionCharacters);
  if (end == 0 || end == std::string_view::npos || rest[end] != '/') return {std::nullopt, path};
  return {rest.substr(0, end), rest.substr(end)};
}

std::optional<std::string> find_version_problem(std::string_view version) {
  const std::string client = "client version " + base::printable(version, 64);
  if (compare_versions(version, kMinApiVersion) < 0)
    return client + " is too old. Minimum supported API version is " + std::string(kMinApiVersion) +
           ", please upgrade your client to a newer version";
  if (compare_versions(version, kMaxApiVersion) > 0)
    return client + " is too new. Maximum supported API version is " + std::string(kMaxApiVersion);
  return std::nullopt;
}

ApiVersion parse_api_version(std::string_view version) {
  take_component(version);
  return ApiVersion(static_cast<int>(std::min<unsigned long long>(number(take_component(version)), 1000)));
}

}  // namespace lighterd::api
