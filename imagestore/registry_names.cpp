// SPDX-License-Identifier: Apache-2.0
#include "imagestore/registry_names.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::imagestore {
namespace {

constexpr std::size_t kMaxLength = 255;

std::optional<oci::RepositoryName> find_name(const std::string& text) {
  try {
    return oci::parse_repository_name(text);
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

// Hosts have no '_' of their own, so that what follows one is the port.
std::optional<std::string> find_host(std::string component) {
  const std::size_t port = component.rfind('_');
  if (port != std::string::npos) {
    component[port] = ':';
    return component;
  }
  if (component == "localhost" || component.find('.') != std::string::npos) return component;
  return std::nullopt;
}

}  // namespace

std::optional<std::string> find_registry_name(const oci::RepositoryName& name) {
  if (name.domain().starts_with('[')) return std::nullopt;
  std::string host = base::to_lower(name.domain());
  std::ranges::replace(host, ':', '_');
  std::string result = host + "/" + name.path();
  if (result.size() > kMaxLength) return std::nullopt;
  return result;
}

std::optional<oci::RepositoryName> find_docker_name(std::string_view repository) {
  const std::size_t slash = repository.find('/');
  if (slash == std::string_view::npos || !is_valid_repository(repository)) return std::nullopt;
  const auto host = find_host(std::string(repository.substr(0, slash)));
  return host ? find_name(*host + std::string(repository.substr(slash))) : std::nullopt;
}

bool is_valid_repository(std::string_view name) {
  // As the path of a host that is one.
  return name.size() <= kMaxLength && find_name("localhost/" + std::string(name)).has_value();
}

}  // namespace lighterd::imagestore
