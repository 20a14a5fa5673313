// SPDX-License-Identifier: Apache-2.0
// Where the requests of an operation go: the hosts to try in order, and which of them may be spoken to without
// verified TLS (registry-protocol.md A1, A3; security-reliability A.2 22).
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "distribution/network_address.hpp"
#include "distribution/registry_client.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {

// "host[:port]" of the HTTP server of a reference's domain: registry-1.docker.io for Hub.
std::string registry_host(const std::string& domain);

class InsecureRegistries {
 public:
  // Entries as in RegistryOptions; a scheme in front is ignored.
  explicit InsecureRegistries(const std::vector<std::string>& entries);
  // Loopback, listed, or in a listed network; a name is looked up (blocks) only if networks are listed.
  bool contains(const Url& url) const;

 private:
  std::vector<std::string> hosts_;
  std::vector<Cidr> networks_;
};

enum class Scheme { kUndecided, kHttps, kHttp };

// Thread-safe: the scheme is settled by whichever request comes first.
class Endpoint {
 public:
  enum class Kind { kRegistry, kMirror };
  Endpoint(Kind kind, Url base, bool is_insecure);

  Kind kind() const { return kind_; }
  bool is_insecure() const { return is_insecure_; }
  Scheme scheme() const { return scheme_; }
  void settle(Scheme scheme) { scheme_ = scheme; }
  // http where that is settled, https before.
  Url base() const;
  // "https://host/v2/<path>"
  Url url(const std::string& path, const std::string& query) const;
  // Not reachable: not asked again in this operation.
  bool is_down() const { return is_down_; }
  void set_down() { is_down_ = true; }
  // Where connections to it end: what it names elsewhere must not be more internal.
  AddressClass address_class() const { return address_class_; }
  void set_address_class(AddressClass address_class) { address_class_ = address_class; }

 private:
  Kind kind_;
  Url base_;
  bool is_insecure_;
  std::atomic<Scheme> scheme_;
  std::atomic<AddressClass> address_class_;
  std::atomic<bool> is_down_ = false;
};

// Mirrors first (pulls from docker.io only). A mirror that is not a URL is left out with a warning.
std::vector<std::unique_ptr<Endpoint>> make_endpoints(const RegistryOptions& options, const std::string& domain,
                                                      Access access, base::Logger& logger);

// Whether a URL that a server named (token realm, redirect, upload location) may be contacted at all: no https to
// http, no internal address literal that is not the registry's own (loopback may name loopback). Throws
// kPermissionDenied "refusing <what> <url>: <why>".
void check_named_url(const Url& target, const Url& registry, std::string_view what);

// The bound for HttpRequest::reach for such a URL.
AddressClass reach_of_named_url(const Url& target, const Url& registry, AddressClass registry_class);

}  // namespace lighterd::distribution
