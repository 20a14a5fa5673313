// SPDX-License-Identifier: Apache-2.0
#include "distribution/registry_endpoint.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;
using Endpoints = std::vector<std::unique_ptr<Endpoint>>;

constexpr std::string_view kHubDomain = "docker.io";
constexpr std::string_view kHubHost = "registry-1.docker.io";

// What one operation needs to make its endpoints of.
struct Scene {
  const std::string& domain;
  Url registry;  // default rules
  std::shared_ptr<const HostTrust> trust;
};

bool is_same_host(const Url& a, const Url& b) {
  return a.host == b.host && a.port == b.port;
}

// A proxy that serves several registries has to know which one is meant.
void set_reference(Endpoint::Options& options, const Scene& scene) {
  options.is_reference_host = is_same_host(options.base, scene.registry);
  if (!options.is_reference_host) options.ns = base::percent_encode(scene.domain);
}

// Of a host whose URL was configured. What its own entry says of verification does not list it as insecure.
void set_trust(Endpoint::Options& options, const Scene& scene) {
  options.scheme = options.base.is_https() ? Scheme::kHttps : Scheme::kHttp;
  options.tls = scene.trust->settings_for(options.base);
  options.trust = scene.trust;
  options.keeps_secrets = options.base.is_https() || options.tls.verification == TlsVerification::kOff;
}

Endpoint::Options make_mirror(std::string text, const Scene& scene) {
  while (text.ends_with('/')) text.pop_back();
  Url url = parse_url(text);
  if (url.query) throw Error(ErrorCode::kInvalidArgument, "invalid URL: a mirror has no query");
  if (url.path == "/") url.path.clear();
  if (!url.path.ends_with("/v2")) url.path += "/v2";
  url.path += "/";
  Endpoint::Options options;
  options.kind = Endpoint::Kind::kMirror;
  options.capabilities =
      Capabilities::none().with(Capability::kPull).with(Capability::kResolve).with(Capability::kReferrers);
  options.base = std::move(url);
  set_trust(options, scene);
  set_reference(options, scene);
  return options;
}

Endpoint::Options make_registry(const Scene& scene) {
  Endpoint::Options options;
  options.base = scene.registry;
  options.tls = scene.trust->settings_for(scene.registry);
  // Only of the hosts that are not named with a scheme in hosts.toml it has to be found out.
  options.scheme = options.tls.verification == TlsVerification::kOff ? Scheme::kUndecided : Scheme::kHttps;
  options.trust = scene.trust;
  return options;
}

void add_certificates(TlsSettings& tls, const HostEntry& entry, const std::filesystem::path& file) {
  if (entry.ca_files.empty() && !entry.client) return;
  tls.origin = file.string();
  try {
    for (const auto& ca : entry.ca_files) add_ca(tls, ca);
    if (entry.client) set_client_certificate(tls, *entry.client);
  } catch (Error& error) {
    error.add_context(file.string());
    throw;
  }
}

Endpoint::Options make_host(const HostEntry& entry, Endpoint::Kind kind, const std::filesystem::path& file,
                            const Scene& scene) {
  Endpoint::Options options;
  if (entry.base) {
    options.base = *entry.base;
    set_trust(options, scene);
    set_reference(options, scene);
  } else {
    options = make_registry(scene);
  }
  options.kind = kind;
  options.capabilities = entry.capabilities;
  options.headers = entry.headers;
  options.authorization = entry.authorization;
  options.dial_timeout = entry.dial_timeout;
  add_certificates(options.tls, entry, file);
  if (entry.skip_verify) {
    options.tls.verification = *entry.skip_verify ? TlsVerification::kOff : TlsVerification::kRequired;
    if (!*entry.skip_verify && options.scheme == Scheme::kUndecided) options.scheme = Scheme::kHttps;
  }
  return options;
}

bool serves(const Endpoint::Options& options, Access access) {
  if (access == Access::kLogin) return options.kind == Endpoint::Kind::kRegistry;
  if (access == Access::kPush) return options.capabilities.has(Capability::kPush);
  return options.capabilities.has(Capability::kPull) || options.capabilities.has(Capability::kResolve);
}

// All that there are, whatever they can.
std::vector<Endpoint::Options> list_hosts(const RegistryOptions& options, const Scene& scene, Access access,
                                          base::Logger& logger) {
  std::vector<Endpoint::Options> hosts;
  HostsFile file;
  const auto path = scene.trust->certs().find_hosts_file(base::to_lower(scene.domain));
  if (path) file = read_hosts_toml(*path);
  // Credentials are asked about where they are for.
  const bool is_elsewhere = file.server.base && !is_same_host(*file.server.base, scene.registry);
  if (access == Access::kLogin && is_elsewhere) return {make_registry(scene)};
  if (scene.domain == kHubDomain && file.hosts.empty()) {
    for (const std::string& mirror : options.mirrors) {
      try {
        hosts.push_back(make_mirror(mirror, scene));
      } catch (const Error& error) {
        logger.warn("registry mirror left out", {{"mirror", redact_url(mirror)}, {"error", error.text()}});
      }
    }
  }
  for (const HostEntry& entry : file.hosts) {
    hosts.push_back(make_host(entry, Endpoint::Kind::kMirror, *path, scene));
  }
  hosts.push_back(path ? make_host(file.server, Endpoint::Kind::kRegistry, *path, scene) : make_registry(scene));
  return hosts;
}

}  // namespace

std::string registry_host(const std::string& domain) {
  return domain == kHubDomain || domain == "index.docker.io" ? std::string(kHubHost) : domain;
}

Endpoint::Endpoint(Options options)
    : options_(std::move(options)),
      tls_(std::make_shared<const TlsSettings>(options_.tls)),
      scheme_(options_.scheme),
      address_class_(AddressClass::kPublic) {
  if (const auto literal = find_ip_address(options_.base.host)) address_class_ = literal->address_class();
}

Url Endpoint::base() const {
  return scheme_ == Scheme::kHttp && options_.base.is_https() ? with_plain_http(options_.base) : options_.base;
}

Url Endpoint::url(const std::string& path, const std::string& query) const {
  Url url = base();
  url.path += path;
  if (!query.empty()) url.query = query;
  if (!options_.ns.empty()) url.add_query("ns=" + options_.ns);
  return url;
}

TlsSettingsPtr Endpoint::tls_for(const Url& url) const {
  if (!url.is_https() || is_same_host(url, options_.base)) return tls_;
  TlsSettings settings = options_.trust->settings_for(url);
  settings.extra_ca_pems.insert(settings.extra_ca_pems.end(), tls_->extra_ca_pems.begin(), tls_->extra_ca_pems.end());
  return std::make_shared<const TlsSettings>(std::move(settings));
}

std::vector<std::unique_ptr<Endpoint>> make_endpoints(const RegistryOptions& options, const std::string& domain,
                                                      Access access, base::Logger& logger) {
  const auto trust = std::make_shared<const HostTrust>(InsecureRegistries(options.insecure_registries),
                                                       CertsDirectories(options.certs_roots));
  const Scene scene{domain, parse_url("https://" + registry_host(domain) + "/v2/"), trust};
  Endpoints endpoints;
  for (Endpoint::Options& host : list_hosts(options, scene, access, logger)) {
    if (!serves(host, access)) continue;
    // The client's credentials are what is asked about.
    if (access == Access::kLogin) host.authorization = {};
    endpoints.push_back(std::make_unique<Endpoint>(std::move(host)));
    if (access == Access::kPush) break;
  }
  if (!endpoints.empty()) return endpoints;
  throw Error(ErrorCode::kPermissionDenied, std::string("no host of ") + domain +
                                                " in hosts.toml has the capability to " +
                                                (access == Access::kPush ? "push" : "pull"));
}

bool may_speak_plain_http(const TransportError& error, const Url& url) {
  const bool is_not_connected =
      error.kind() == TransportFailure::kConnect || error.kind() == TransportFailure::kTimeout;
  return error.kind() == TransportFailure::kTls || (!url.has_port && is_not_connected);
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
