// SPDX-License-Identifier: Apache-2.0
#include "distribution/registry_endpoint.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::string_view kHubDomain = "docker.io";
constexpr std::string_view kHubHost = "registry-1.docker.io";

std::vector<IpAddress> look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, &freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    if (const auto address = find_ip_address(text)) addresses.push_back(*address);
  }
  return addresses;
}

std::string strip_scheme(std::string_view entry) {
  std::string text = base::to_lower(base::trim(entry));
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (text.starts_with(scheme)) text.erase(0, scheme.size());
  }
  return text;
}

std::unique_ptr<Endpoint> make_mirror(std::string text, const InsecureRegistries& insecure) {
  while (text.ends_with('/')) text.pop_back();
  Url url = parse_url(text);
  if (url.query) throw Error(ErrorCode::kInvalidArgument, "invalid URL: a mirror has no query");
  if (url.path == "/") url.path.clear();
  if (!url.path.ends_with("/v2")) url.path += "/v2";
  url.path += "/";
  return std::make_unique<Endpoint>(Endpoint::Kind::kMirror, url, insecure.contains(url));
}

}  // namespace

std::string registry_host(const std::string& domain) {
  return domain == kHubDomain || domain == "index.docker.io" ? std::string(kHubHost) : domain;
}

InsecureRegistries::InsecureRegistries(const std::vector<std::string>& entries) {
  for (const std::string& entry : entries) {
    std::string text = strip_scheme(entry);
    if (const auto network = find_cidr(text)) {
      networks_.push_back(*network);
    } else {
      while (text.ends_with('/')) text.pop_back();
      hosts_.push_back(std::move(text));
    }
  }
}

bool InsecureRegistries::contains(const Url& url) const {
  if (is_loopback_host(url.host)) return true;
  if (std::find(hosts_.begin(), hosts_.end(), url.authority()) != hosts_.end()) return true;
  if (networks_.empty()) return false;
  const auto literal = find_ip_address(url.host);
  const auto addresses = literal ? std::vector<IpAddress>{*literal} : look_up(url.host);
  return std::any_of(addresses.begin(), addresses.end(), [&](const IpAddress& address) {
    return std::any_of(networks_.begin(), networks_.end(), [&](const Cidr& cidr) { return cidr.contains(address); });
  });
}

// A mirror's scheme is part of its configuration.
Endpoint::Endpoint(Kind kind, Url base, bool is_insecure)
    : kind_(kind),
      base_(std::move(base)),
      is_insecure_(is_insecure),
      scheme_(!base_.is_https()                        ? Scheme::kHttp
              : is_insecure && kind == Kind::kRegistry ? Scheme::kUndecided
                                                       : Scheme::kHttps),
      address_class_(AddressClass::kPublic) {
  if (const auto literal = find_ip_address(base_.host)) address_class_ = literal->address_class();
}

Url Endpoint::base() const {
  Url url = base_;
  if (scheme_ == Scheme::kHttp && url.is_https()) {
    url.scheme = "http";
    if (!url.has_port) url.port = 80;
  }
  return url;
}

Url Endpoint::url(const std::string& path, const std::string& query) const {
  Url url = base();
  url.path += path;
  if (!query.empty()) url.query = query;
  // A proxy that serves several registries has to know which one is meant; mirrors are of Hub only.
  if (kind_ == Kind::kMirror) url.add_query("ns=" + std::string(kHubDomain));
  return url;
}

std::vector<std::unique_ptr<Endpoint>> make_endpoints(const RegistryOptions& options, const std::string& domain,
                                                      Access access, base::Logger& logger) {
  const InsecureRegistries insecure(options.insecure_registries);
  std::vector<std::unique_ptr<Endpoint>> endpoints;
  if (access == Access::kPull && domain == kHubDomain) {
    for (const std::string& mirror : options.mirrors) {
      try {
        endpoints.push_back(make_mirror(mirror, insecure));
      } catch (const Error& error) {
        logger.warn("registry mirror left out", {{"mirror", redact_url(mirror)}, {"error", error.text()}});
      }
    }
  }
  const Url base = parse_url("https://" + registry_host(domain) + "/v2/");
  endpoints.push_back(std::make_unique<Endpoint>(Endpoint::Kind::kRegistry, base, insecure.contains(base)));
  return endpoints;
}

void check_named_url(const Url& target, const Url& registry, std::string_view what) {
  const auto refuse = [&](std::string_view why) {
    throw Error(ErrorCode::kPermissionDenied,
                "refusing " + std::string(what) + " \"" + redact_url(target.to_string()) + "\": " + std::string(why));
  };
  if (registry.is_https() && !target.is_https()) refuse("the registry is spoken to by https");
  if (is_same_origin(target, registry) || (target.host == registry.host && target.port == registry.port)) return;
  const bool is_loopback = is_loopback_host(target.host);
  const auto literal = find_ip_address(target.host);
  const AddressClass kind =
      is_loopback ? AddressClass::kLoopback : (literal ? literal->address_class() : AddressClass::kPublic);
  if (kind == AddressClass::kPublic || (is_loopback && is_loopback_host(registry.host))) return;
  refuse("it is an internal address");
}

AddressClass reach_of_named_url(const Url& target, const Url& registry, AddressClass registry_class) {
  if (is_same_origin(target, registry)) return AddressClass::kSpecial;
  // Link-local holds the metadata services of clouds; nothing is redirected there.
  return std::min(registry_class, AddressClass::kLoopback);
}

}  // namespace lighterd::distribution
