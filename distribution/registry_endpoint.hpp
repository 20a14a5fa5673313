// SPDX-License-Identifier: Apache-2.0
// Where the requests of an operation go: the hosts to try in order, and how each of them is spoken to
// (registry-protocol.md A1-A3).
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/secret.hpp"
#include "distribution/host_trust.hpp"
#include "distribution/hosts_toml.hpp"
#include "distribution/http_client.hpp"
#include "distribution/network_address.hpp"
#include "distribution/registry_client.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {

// "host[:port]" of the HTTP server of a reference's domain: registry-1.docker.io for Hub.
std::string registry_host(const std::string& domain);

enum class Scheme { kUndecided, kHttps, kHttp };

// Thread-safe: the scheme is settled by whichever request comes first.
class Endpoint {
 public:
  enum class Kind {
    kMirror,    // its failure leads to the next
    kRegistry,  // the last one
  };
  struct Options {
    Kind kind = Kind::kRegistry;
    Url base;  // its path ends in '/'
    Scheme scheme = Scheme::kHttps;
    Capabilities capabilities = Capabilities::all();
    // The registry of the references is this host itself: the client's credentials are for it.
    bool is_reference_host = true;
    bool keeps_secrets = true;
    std::string ns;  // value of ?ns=; empty: none is sent
    TlsSettings tls;
    HeaderList headers;  // for requests to its own origin
    base::Secret authorization;
    std::optional<std::chrono::milliseconds> dial_timeout;
    std::shared_ptr<const HostTrust> trust;  // of the hosts that it names; not null
  };
  explicit Endpoint(Options options);

  Kind kind() const { return options_.kind; }
  bool can(Capability capability) const { return options_.capabilities.has(capability); }
  bool is_reference_host() const { return options_.is_reference_host; }
  // Spoken to by https, or listed as insecure: credentials that are not meant for plain http may be sent to it.
  bool keeps_secrets() const { return options_.keeps_secrets; }
  Scheme scheme() const { return scheme_; }
  void settle(Scheme scheme) { scheme_ = scheme; }
  // http where that is settled, https before.
  Url base() const;
  // "https://host/v2/<path>"
  Url url(const std::string& path, const std::string& query) const;

  // For a request to `url`, which may be a host that this one named (redirect, token server, upload): such a host is
  // held to its own certificates, with the CAs of this one trusted as well, and never shown its client certificate.
  // Reads files; throws as CertsDirectories::read_tls.
  TlsSettingsPtr tls_for(const Url& url) const;
  // As configured for it; for its own origin only.
  const HeaderList& headers() const { return options_.headers; }
  const base::Secret& authorization() const { return options_.authorization; }
  std::optional<std::chrono::milliseconds> dial_timeout() const { return options_.dial_timeout; }

  // Could not be reached: not asked again before all the others have failed too.
  bool is_down() const { return is_down_; }
  void set_down(bool is_down) { is_down_ = is_down; }
  // In this operation, whatever it was.
  bool has_answered() const { return has_answered_; }
  void note_answer() { has_answered_ = true; }
  // Where connections to it end: what it names elsewhere must not be more internal.
  AddressClass address_class() const { return address_class_; }
  void set_address_class(AddressClass address_class) { address_class_ = address_class; }

 private:
  const Options options_;
  const TlsSettingsPtr tls_;
  std::atomic<Scheme> scheme_;
  std::atomic<AddressClass> address_class_;
  std::atomic<bool> is_down_ = false;
  std::atomic<bool> has_answered_ = false;
};

// The hosts of hosts.toml in the order of the file, then its server; without one the registry alone. Mirrors of Hub go
// in front where docker.io has no other host. A push has one endpoint, the first that can; none: kPermissionDenied. A
// login has the registry itself.
// Reads certs.d, and may look up names (blocks). Throws kInvalidArgument for a file there that is wrong; a mirror that
// is not a URL is left out with a warning.
std::vector<std::unique_ptr<Endpoint>> make_endpoints(const RegistryOptions& options, const std::string& domain,
                                                      Access access, base::Logger& logger);

// Whether a host that failed so over https may do better over plain http: it speaks no TLS, or has nothing at port 443,
// where no port was named. For hosts that may be insecure.
bool may_speak_plain_http(const TransportError& error, const Url& url);

// Whether a URL that a server named (token realm, redirect, upload location) may be contacted at all: no https to
// http, no internal address literal that is not the registry's own (loopback may name loopback). Throws
// kPermissionDenied "refusing <what> <url>: <why>".
void check_named_url(const Url& target, const Url& registry, std::string_view what);

// The bound for HttpRequest::reach for such a URL.
AddressClass reach_of_named_url(const Url& target, const Url& registry, AddressClass registry_class);

}  // namespace lighterd::distribution
