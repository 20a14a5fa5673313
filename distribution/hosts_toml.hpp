// SPDX-License-Identifier: Apache-2.0
// hosts.toml: which hosts serve the images of a registry, and how each is spoken to (registry-protocol.md A2). Nothing
// in it is passed over: what is not understood is an error that names file, line and column.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "base/secret.hpp"
#include "distribution/certs_directory.hpp"
#include "distribution/http_client.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {

enum class Capability : unsigned {
  kPull = 1,     // blobs, and manifests by digest
  kResolve = 2,  // what a tag names
  kPush = 4,
  kReferrers = 8,
};

class Capabilities {
 public:
  static Capabilities all() { return Capabilities(15); }
  static Capabilities none() { return Capabilities(0); }
  Capabilities with(Capability one) const { return Capabilities(bits_ | static_cast<unsigned>(one)); }
  bool has(Capability one) const { return (bits_ & static_cast<unsigned>(one)) != 0; }
  bool operator==(const Capabilities&) const = default;

 private:
  explicit Capabilities(unsigned bits) : bits_(bits) {}
  unsigned bits_;
};

struct HostEntry {
  std::optional<Url> base;  // its path ends in '/' and, unless that was overridden, in "/v2/"; none: not named
  Capabilities capabilities = Capabilities::all();
  std::vector<std::filesystem::path> ca_files;
  std::optional<ClientFiles> client;  // the first that is named
  std::optional<bool> skip_verify;    // none: the daemon's insecure registries decide
  HeaderList headers;
  base::Secret authorization;  // of the headers, kept apart
  std::optional<std::chrono::milliseconds> dial_timeout;
};

struct HostsFile {
  std::vector<HostEntry> hosts;  // in the order of the file
  HostEntry server;              // tried last; without a base: the registry itself
};

// Relative paths are relative to the file's folder. Throws kInvalidArgument "<file>:<line>:<column>: <why>".
HostsFile parse_hosts_toml(std::string_view text, const std::filesystem::path& file);
HostsFile read_hosts_toml(const std::filesystem::path& file);

}  // namespace lighterd::distribution
