// SPDX-License-Identifier: Apache-2.0
#include "api/registry/repository_target.hpp"

#include "api/registry/registry_fault.hpp"
#include "base/error.hpp"
#include "imagestore/registry_store.hpp"
#include "oci/registry_host.hpp"

namespace lighterd::api::registry {
namespace {

[[noreturn]] void refuse_name(const std::string& why) {
  throw RegistryFault(FaultCode::kNameInvalid, why);
}

// Hub has more names than one, and images without a user's name in front.
oci::RepositoryName parse_origin(const std::string& host, const std::string& path) {
  const bool is_hub = oci::is_hub_host(host);
  const std::string full_path = is_hub && path.find('/') == std::string::npos ? "library/" + path : path;
  try {
    return oci::parse_repository_name((is_hub ? "docker.io" : host) + "/" + full_path);
  } catch (const base::Error& error) {
    refuse_name(error.text());
  }
}

RepositoryTarget target_of(const oci::RepositoryName& origin) {
  const auto name = imagestore::find_registry_name(origin);
  if (!name) refuse_name("no repository can be kept for " + origin.to_string());
  return {*name, origin};
}

// The part behind the prefix; nothing if it is not one.
std::optional<std::string> find_rest(const std::string& name, const std::string& prefix) {
  if (prefix.empty() || !name.starts_with(prefix) || name.size() < prefix.size() + 2 || name[prefix.size()] != '/')
    return std::nullopt;
  return name.substr(prefix.size() + 1);
}

const UpstreamPrefix* find_prefix(const std::string& name, const std::vector<UpstreamPrefix>& prefixes) {
  const UpstreamPrefix* best = nullptr;
  for (const UpstreamPrefix& each : prefixes)
    if (find_rest(name, each.prefix) && (best == nullptr || each.prefix.size() > best->prefix.size())) best = &each;
  return best;
}

const UpstreamPrefix* find_default(const std::vector<UpstreamPrefix>& prefixes) {
  for (const UpstreamPrefix& each : prefixes)
    if (each.prefix.empty()) return &each;
  return nullptr;
}

}  // namespace

RepositoryTarget resolve_repository(const std::string& path_name, const std::string& ns, Purpose purpose,
                                    const std::vector<UpstreamPrefix>& prefixes, imagestore::RegistryStore& registry) {
  if (!imagestore::is_valid_repository(path_name)) refuse_name("invalid repository name");
  if (!ns.empty()) return target_of(parse_origin(ns, path_name));
  if (const auto* prefix = find_prefix(path_name, prefixes))
    return target_of(parse_origin(prefix->host, *find_rest(path_name, prefix->prefix)));
  if (const auto origin = imagestore::find_docker_name(path_name)) {
    // "docker.io/alpine" is read as "docker.io/library/alpine", unless somebody pushed to the former.
    RepositoryTarget target = target_of(parse_origin(origin->domain(), origin->path()));
    const bool is_other = target.name != path_name;
    if (is_other && (purpose == Purpose::kWrite || registry.find_repository(path_name))) return {path_name, origin};
    return target;
  }
  const auto* otherwise = find_default(prefixes);
  if (otherwise == nullptr || registry.find_repository(path_name)) return {path_name, std::nullopt};
  RepositoryTarget target = target_of(parse_origin(otherwise->host, path_name));
  // A name that has come from there already is not one for pushes: what is read by it would be something else.
  if (purpose == Purpose::kWrite && !registry.find_repository(target.name)) return {path_name, std::nullopt};
  return target;
}

}  // namespace lighterd::api::registry
