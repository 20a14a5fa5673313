// SPDX-License-Identifier: Apache-2.0
#include "daemon/registry_face.hpp"

#include <memory>
#include <vector>

#include "api/http/listener.hpp"
#include "api/http/tls_context.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::daemon {
namespace {

using base::Error;
using base::ErrorCode;

std::vector<api::Listener> listen(const RegistryConfig& config) {
  api::TcpOptions options;
  if (config.allow_plaintext) options.plaintext = api::PlaintextReach::kAnywhere;
  if (config.has_tls())
    options.tls = std::make_shared<const api::TlsContext>(api::TlsFiles{config.tls_certificate, config.tls_key});
  std::vector<api::Listener> listeners;
  for (const std::string& address : config.listen) {
    const auto [host, port] = parse_listen_address(address);
    try {
      listeners.push_back(api::Listener::tcp(host, port, options));
    } catch (Error& error) {
      if (error.code() == ErrorCode::kPermissionDenied)
        throw Error(error.code(), "--registry-listen " + address +
                                      ": without TLS only loopback; give --registry-tls-cert and --registry-tls-key, "
                                      "or --registry-allow-plaintext");
      error.add_context("--registry-listen");
      throw;
    }
  }
  return listeners;
}

// A page in a browser that reaches a registry which asks nobody for anything could push to it under a name of its own:
// such a registry looks at the Host (security-reliability rule 37).
api::ServerOptions server_options(const RegistryConfig& config) {
  api::ServerOptions options;
  options.max_connections = 4096;
  options.max_workers = 512;
  const bool is_open = config.access.scheme == api::registry::AccessOptions::Scheme::kOpen;
  if (!is_open || config.has_tls()) options.host_check = api::HostCheck::kAny;
  for (const std::string& name : config.names) options.host_names.push_back(base::to_lower(name));
  return options;
}

}  // namespace

std::pair<std::string, int> parse_listen_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : base::parse_unsigned(text.substr(colon + 1));
  if (!port || *port > 65535)
    throw Error(ErrorCode::kInvalidArgument, "--registry-listen: \"" + text + "\" is not ADDRESS:PORT");
  std::string host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return {host, static_cast<int>(*port)};
}

RegistryFace::RegistryFace(const RegistryConfig& config, const api::registry::RegistryServices& services,
                           base::Logger& logger)
    : open_({}, logger),
      access_(config.access, logger),
      local_(services, open_),
      api_(services, access_),
      server_(
          server_options(config), [this](api::Request& request) { return api_.dispatch(request); }, logger) {
  std::vector<api::Listener> listeners = listen(config);
  for (const auto& listener : listeners) logger.info("listening", {{"address", listener.description()}});
  server_.start(std::move(listeners));
}

}  // namespace lighterd::daemon
