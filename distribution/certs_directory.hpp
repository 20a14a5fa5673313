// SPDX-License-Identifier: Apache-2.0
// The certs.d folders: <root>/<host[:port]>/ holds *.crt (CAs), *.cert with *.key (client certificates) and hosts.toml
// of that host (registry-protocol.md A2). Nothing is kept in memory: whoever asks reads, so edits count at once.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distribution/tls_settings.hpp"

namespace lighterd::distribution {

// Of the certificate files of one host, or of the ones that hosts.toml names.
struct ClientFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;  // empty: it stands in the certificate's file
  bool operator==(const ClientFiles&) const = default;
};

class CertsDirectories {
 public:
  // In the order in which they are looked at; they need not exist.
  explicit CertsDirectories(std::vector<std::filesystem::path> roots) : roots_(std::move(roots)) {}

  // hosts.toml of "host[:port]", the first that there is: in the folder `host_port_` or `host:port` of any root, or,
  // for a host without a folder, in `_default`. A link that leads nowhere, or what must not be looked at, is there.
  std::optional<std::filesystem::path> find_hosts_file(std::string_view authority) const;

  // What the folder of "host[:port]", in the first root that has one, adds to verified TLS. Of several client
  // certificates the first by name is taken. kInvalidArgument for a pair with a missing half (Docker's text), and for a
  // file that cannot be read or has no certificate in it.
  TlsSettings read_tls(std::string_view authority) const;

 private:
  std::optional<std::filesystem::path> find_folder(std::string_view authority) const;
  std::vector<std::filesystem::path> roots_;
};

// A file that an administrator wrote. Links are followed: they are often mounted or linked into place. kInvalidArgument
// for one that is missing, too large or not readable: a mistake in the configuration, not an image that is not found.
std::string read_configuration(const std::filesystem::path& file, std::size_t limit_bytes);

// Add what the files hold. kInvalidArgument for one that cannot be read or has no certificate or key in it.
void add_ca(TlsSettings& settings, const std::filesystem::path& file);
void set_client_certificate(TlsSettings& settings, const ClientFiles& files);

}  // namespace lighterd::distribution
