// SPDX-License-Identifier: Apache-2.0
// The flags of the registry face and of the store's clean-up.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "api/registry/access.hpp"
#include "api/registry/registry_services.hpp"
#include "distribution/upstream_cache.hpp"
#include "imagestore/garbage_collector.hpp"

namespace CLI {
class App;
}

namespace lighterd::daemon {

struct RegistryConfig {
  std::vector<std::string> listen;  // "address:port"; none: no registry
  bool allow_plaintext = false;     // on addresses other than loopback
  std::vector<std::string> names;   // by which clients reach an open registry without TLS
  std::filesystem::path tls_certificate;
  std::filesystem::path tls_key;
  api::registry::AccessOptions access;
  std::string password_realm{"lighterd"};  // what clients show who asks for a password
  api::registry::RegistryPolicy policy;
  distribution::UpstreamOptions upstream;
  imagestore::CollectorOptions collector;

  bool is_enabled() const { return !listen.empty(); }
  bool has_tls() const { return !tls_certificate.empty(); }
};

// The values are written to `config` when the app parses; it must outlive that.
void add_registry_flags(CLI::App& app, RegistryConfig& config);

// What flags say together: kInvalidArgument with the flag named.
void check_registry_flags(RegistryConfig& config);

// "docker.io", "hub=docker.io", "=docker.io", "*": added to the prefixes and the upstream hosts; Hub by any of its
// names. kInvalidArgument.
void add_upstream(const std::string& text, RegistryConfig& config);
// "team:keep=10,age=30d"; kInvalidArgument.
imagestore::RetentionRule parse_retention_rule(const std::string& text);
// "300ms", "10s", "2m", "12h", "30d"; kInvalidArgument.
std::chrono::milliseconds parse_age(const std::string& text);

}  // namespace lighterd::daemon
