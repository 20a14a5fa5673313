// SPDX-License-Identifier: Apache-2.0
// How far a host is trusted: which may be spoken to without verified TLS, and whose certificates count beside the
// system's (registry-protocol.md A2, A3; security-reliability A.2 22).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/synchronized.hpp"
#include "distribution/certs_directory.hpp"
#include "distribution/network_address.hpp"
#include "distribution/tls_settings.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {

class InsecureRegistries {
 public:
  // Entries as in RegistryOptions; a scheme in front is ignored.
  explicit InsecureRegistries(const std::vector<std::string>& entries);
  // Loopback, listed, or in a listed network. A name is looked up only if networks are listed; that blocks, and a name
  // that is not found within some seconds is in none.
  bool contains(const Url& url) const;

 private:
  std::vector<std::string> hosts_;
  std::vector<Cidr> networks_;
};

// Of one operation: a host is looked up, and its files are read, once. Thread-safe.
class HostTrust {
 public:
  HostTrust(InsecureRegistries insecure, CertsDirectories certs)
      : insecure_(std::move(insecure)), certs_(std::move(certs)) {}

  const CertsDirectories& certs() const { return certs_; }
  // Throws as CertsDirectories::read_tls.
  TlsSettings settings_for(const Url& url) const;

 private:
  InsecureRegistries insecure_;
  CertsDirectories certs_;
  mutable base::Synchronized<std::map<std::string, TlsSettings>> known_;  // by authority
};

}  // namespace lighterd::distribution
