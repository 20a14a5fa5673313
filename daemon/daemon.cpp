// SPDX-License-Identifier: Apache-2.0
#include "daemon/daemon.hpp"

#include <optional>
#include <thread>

#include "api/engine/engine_routes.hpp"
#include "api/http/server.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "daemon/registry_face.hpp"
#include "daemon/version.hpp"
#include "distribution/curl_http_client.hpp"
#include "distribution/paced_http_client.hpp"
#include "distribution/pull_plan.hpp"
#include "distribution/puller.hpp"
#include "distribution/pusher.hpp"
#include "distribution/remote_inspector.hpp"
#include "distribution/upstream_cache.hpp"
#include "imagestore/garbage_collector.hpp"
#include "imagestore/image_store.hpp"
#include "imagestore/registry_store.hpp"
#include "imagestore/upload_store.hpp"

namespace lighterd::daemon {
namespace {

using base::Error;
using base::ErrorCode;

api::Listener listen(const std::string& host, const Config& config) {
  constexpr std::string_view kUnix = "unix://";
  constexpr std::string_view kTcp = "tcp://";
  if (host.starts_with(kUnix)) return api::Listener::unix_socket(host.substr(kUnix.size()), config.group);
  if (!config.insecure_tcp)
    throw Error(ErrorCode::kPermissionDenied,
                host + ": TCP without TLS needs --insecure-tcp and gives every local process full control");
  const std::string address = host.substr(kTcp.size());
  const std::size_t colon = address.rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : base::parse_unsigned(address.substr(colon + 1));
  if (!port || *port > 65535) throw Error(ErrorCode::kInvalidArgument, "invalid host \"" + host + "\": no port");
  return api::Listener::loopback_tcp(address.substr(0, colon), static_cast<int>(*port));
}

std::vector<std::string> make_warnings(const Config& config) {
  std::vector<std::string> warnings;
  for (const std::string& host : config.hosts)
    if (host.starts_with("tcp://"))
      warnings.push_back("WARNING: API is accessible on http://" + host.substr(6) + " without encryption.");
  return warnings;
}

distribution::UpstreamOptions upstream_options(const Config& config) {
  distribution::UpstreamOptions options = config.registry.upstream;
  options.user_agent = "lighterd/" + std::string(kVersion);
  return options;
}

std::string read_daemon_id(const std::filesystem::path& data_root) {
  const auto path = data_root / "engine-id";
  if (!std::filesystem::exists(path)) base::write_file_atomically(path, oci::random_hex(16));
  return base::read_file(path, 64);
}

}  // namespace

// In the order of the chain; what stands below uses what stands above and goes first.
struct Daemon::Parts {
  Parts(const Config& config, base::Logger& daemon_logger);

  base::Logger& logger;
  const oci::Platform host = oci::detect_host_platform();
  const distribution::RegistryOptions registries;
  imagestore::StoreLayout layout;
  const std::string daemon_id;
  imagestore::MetadataDb database;
  imagestore::ContentStore content;
  imagestore::ImageStore images;
  imagestore::RegistryStore repositories;
  imagestore::UploadStore blob_uploads;
  imagestore::GarbageCollector collector;
  distribution::CurlHttpClient curl;
  distribution::HostStates hosts{logger};
  distribution::PacedHttpClient http{curl, hosts};
  distribution::TransferQueue downloads;
  distribution::TransferQueue uploads;
  distribution::Puller puller;
  distribution::Pusher pusher;
  distribution::RemoteInspector remote_inspector;
  distribution::PullPlanner pull_planner;
  distribution::LoginChecker logins;
  distribution::SearchClient searches;
  distribution::UpstreamCache upstream;
  const distribution::RemoteFileOptions remote_files;
  api::EventLog events;
  api::EngineApi engine;
  const api::registry::RegistryServices registry_services;
  std::optional<RegistryFace> registry;  // if it was asked for
  api::Server server;

  api::Dispatched dispatch(api::Request& request) const;

 private:
  distribution::DistributionServices services() {
    return {http, registries, content, images, downloads, uploads, host, logger};
  }
};

Daemon::Parts::Parts(const Config& config, base::Logger& daemon_logger)
    : logger(daemon_logger),
      registries{.insecure_registries = config.insecure_registries,
                 .foreign_layer_registries = config.foreign_layer_registries,
                 .mirrors = config.registry_mirrors,
                 .retry = config.retry,
                 .stall_timeout = config.stall_timeout,
                 .certs_roots = config.certs_roots,
                 .auth_file = config.registry_auth_file,
                 .schema1_images = config.schema1_images,
                 .via = config.registry.is_enabled() ? distribution::make_via() : ""},
      layout(config.data_root),
      daemon_id(read_daemon_id(layout.root())),
      database(layout.database()),
      content(layout, database, logger),
      images(content, database, host),
      repositories(content, database, config.registry.collector.grace),
      blob_uploads(content, repositories, database),
      collector(content, blob_uploads, database, config.registry.collector, logger),
      downloads(config.max_concurrent_downloads),
      uploads(config.max_concurrent_uploads),
      puller(services()),
      pusher(services()),
      remote_inspector(services()),
      pull_planner(services()),
      logins(services()),
      searches(services(), config.search_index),
      upstream(services(), repositories, upstream_options(config)),
      remote_files{.access = config.url_import, .stall_timeout = config.stall_timeout},
      engine({.images = images,
              .content = content,
              .puller = puller,
              .pusher = pusher,
              .remote = remote_inspector,
              .planner = pull_planner,
              .logins = logins,
              .searches = searches,
              .http = http,
              .remote_files = remote_files,
              .events = events,
              .host = host,
              .logger = logger,
              .info = {.version = std::string(kVersion),
                       .git_commit = std::string(kCommit),
                       .build_time = std::string(kBuildTime),
                       .data_root = layout.root().string(),
                       .daemon_id = daemon_id,
                       .registries = registries,
                       .debug = config.debug,
                       .http_proxy = config.proxies.http,
                       .https_proxy = config.proxies.https,
                       .no_proxy = config.proxies.no_proxy,
                       .warnings = make_warnings(config)}}),
      registry_services{repositories, content, blob_uploads, upstream, logger, config.registry.policy},
      server(
          {}, [this](api::Request& request) { return dispatch(request); }, logger) {
  std::vector<api::Listener> listeners;
  for (const auto& address : config.hosts) listeners.push_back(listen(address, config));
  // The environment may have named it, and with it whose credentials everybody uses.
  if (const auto& file = config.registry_auth_file; !file.empty()) {
    logger.info("credentials of the daemon's own", {{"file", file.string()}});
  }
  if (config.registry.is_enabled()) registry.emplace(config.registry, registry_services, logger);
  for (const auto& listener : listeners) logger.info("listening", {{"address", listener.description()}});
  server.start(std::move(listeners));
}

// Two faces of one socket; over TCP the registry has listeners of its own.
api::Dispatched Daemon::Parts::dispatch(api::Request& request) const {
  if (registry && request.peer && api::registry::RegistryApi::is_registry_path(request.path))
    return registry->dispatch_local(request);
  return engine.dispatch(request);
}

Daemon::Daemon(const Config& config, base::Logger& logger) : parts_(std::make_unique<Parts>(config, logger)) {}

Daemon::~Daemon() = default;

void Daemon::stop(std::chrono::milliseconds grace) {
  parts_->events.close();  // who only listens has nothing to finish
  // Both within the one grace.
  const std::jthread registry_stop([&] {
    if (parts_->registry) parts_->registry->stop(grace);
  });
  parts_->server.stop(grace);
}

}  // namespace lighterd::daemon
