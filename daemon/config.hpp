// SPDX-License-Identifier: Apache-2.0
// What the daemon was asked to be. Read once, from flags and the environment; of the rest of the project only the HTTP
// client reads the environment: its proxies, SSL_CERT_FILE and SSL_CERT_DIR.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "daemon/registry_flags.hpp"
#include "distribution/registry_client.hpp"
#include "distribution/remote_file.hpp"
#include "distribution/retry.hpp"
#include "distribution/search_client.hpp"

namespace lighterd::daemon {

// Without credentials, for /info.
struct ProxySettings {
  std::string http;
  std::string https;
  std::string no_proxy;
};

struct Config {
  // "unix:///path" or "tcp://loopback:port"; at least one.
  std::vector<std::string> hosts;
  std::filesystem::path data_root;
  std::optional<std::string> group;  // of Unix sockets
  std::vector<std::string> insecure_registries;
  std::vector<std::string> registry_mirrors;
  std::vector<std::filesystem::path> certs_roots;  // at least one
  std::filesystem::path registry_auth_file;        // empty: none
  std::vector<std::string> foreign_layer_registries;
  std::string search_index{distribution::kHubIndex};  // URL of a v1 API
  base::LogLevel log_level = base::LogLevel::kInfo;
  bool debug = false;
  bool insecure_tcp = false;
  // dockerd's names; per registry here.
  std::size_t max_concurrent_downloads = 3;
  std::size_t max_concurrent_uploads = 5;
  distribution::RetryPolicy retry;
  std::chrono::milliseconds stall_timeout{10'000};
  // Whether an import may name a URL that the daemon then fetches.
  distribution::UrlAccess url_import = distribution::UrlAccess::kAllowed;
  distribution::Schema1Images schema1_images = distribution::Schema1Images::kTaken;
  ProxySettings proxies;
  RegistryConfig registry;
};

// What to do after the command line was read.
struct CommandLine {
  std::optional<Config> config;  // none: print `text` and leave with exit_code
  std::string text;
  int exit_code = 0;
  std::vector<std::string> warnings;  // one for each flag of dockerd's that means nothing here
};

// Defaults are /run/lighterd.sock and /var/lib/lighterd for root, $XDG_RUNTIME_DIR/lighterd.sock (lighterd.sock in the
// data root without such a folder) and $XDG_DATA_HOME/lighterd otherwise. Certificates are read from
// /etc/docker/certs.d or $XDG_CONFIG_HOME/docker/certs.d, then from /etc/containerd/certs.d.
// $REGISTRY_AUTH_FILE is the default of registry_auth_file. Never throws for bad input: that is exit_code 2 with a
// text.
CommandLine parse_command_line(int argc, const char* const* argv);

}  // namespace lighterd::daemon
