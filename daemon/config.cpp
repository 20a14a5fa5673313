// SPDX-License-Identifier: Apache-2.0
#include "daemon/config.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdlib>
#include <map>

#include "base/error.hpp"
#include "daemon/version.hpp"

namespace lighterd::daemon {
namespace {

std::filesystem::path environment_path(const char* name, const std::filesystem::path& otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && value[0] == '/' ? std::filesystem::path(value) : otherwise;
}

std::filesystem::path home() {
  return environment_path("HOME", "/");
}

std::filesystem::path default_data_root() {
  if (::geteuid() == 0) return "/var/lib/lighterd";
  return environment_path("XDG_DATA_HOME", home() / ".local" / "share") / "lighterd";
}

// Without a run-time folder the socket goes where nobody else can write: beside the images.
std::string default_host() {
  if (::geteuid() == 0) return "unix:///run/lighterd.sock";
  return "unix://" + (environment_path("XDG_RUNTIME_DIR", default_data_root()) / "lighterd.sock").string();
}

std::vector<std::filesystem::path> default_certs_roots() {
  const std::filesystem::path own =
      ::geteuid() == 0 ? "/etc/docker/certs.d"
                       : environment_path("XDG_CONFIG_HOME", home() / ".config") / "docker" / "certs.d";
  return {own, "/etc/containerd/certs.d"};
}

// As /info shows it: a proxy's password stays here.
std::string proxy_setting(const char* lower_case, const char* upper_case) {
  const char* value = std::getenv(lower_case);
  if (value == nullptr) value = std::getenv(upper_case);
  std::string text = value == nullptr ? "" : value;
  const std::size_t at = text.rfind('@');
  const std::size_t scheme = text.find("://");
  if (at == std::string::npos) return text;
  return (scheme == std::string::npos ? "" : text.substr(0, scheme + 3)) + "xxxxx:xxxxx" + text.substr(at);
}

// dockerd's flags that have no meaning without containers: a harness that starts "dockerd ..." can start us instead
// (design decision 8).
constexpr std::array kIgnoredWithValue = {"--containerd",
                                          "--containerd-namespace",
                                          "--exec-root",
                                          "--storage-driver",
                                          "--storage-opt",
                                          "--exec-opt",
                                          "--default-runtime",
                                          "--add-runtime",
                                          "--bip",
                                          "--bridge",
                                          "--cgroup-parent",
                                          "--default-ulimit",
                                          "--dns",
                                          "--fixed-cidr",
                                          "--log-driver",
                                          "--log-opt",
                                          "--mtu",
                                          "--network-control-plane-mtu",
                                          "--init-path",
                                          "--default-shm-size",
                                          "--userns-remap",
                                          "--seccomp-profile",
                                          "--default-address-pool",
                                          "--swarm-default-advertise-addr"};
constexpr std::array kIgnoredSwitches = {
    "--iptables", "--ip6tables",    "--ip-forward",      "--ip-masq",        "--ipv6",        "--icc",
    "--init",     "--live-restore", "--selinux-enabled", "--userland-proxy", "--experimental"};

void add_ignored_flags(CLI::App& app, std::vector<std::string>& warnings) {
  const auto warn = [&warnings](const char* flag) {
    warnings.push_back(std::string("the flag ") + flag + " has no meaning for an image daemon and is ignored");
  };
  for (const char* flag : kIgnoredWithValue)
    app.add_option_function<std::vector<std::string>>(flag, [warn, flag](const auto& /*values*/) { warn(flag); })
        ->group("")
        ->allow_extra_args(false);
  for (const char* flag : kIgnoredSwitches)
    app.add_flag_function(flag, [warn, flag](std::int64_t /*count*/) { warn(flag); })->group("");
}

// "300ms", "10s", "2m"
void add_duration(CLI::App& app, const char* flag, std::chrono::milliseconds& value, const std::string& text) {
  constexpr double kLongestMs = 24.0 * 3600 * 1000;
  const std::map<std::string, double> units = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  app.add_option_function<double>(
         flag,
         [&value](double milliseconds) { value = std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds)); },
         text)
      ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::UNIT_REQUIRED, "DURATION"))
      ->check(CLI::Range(1.0, kLongestMs, "1ms to 24h"))
      ->type_name("DURATION")
      ->default_str(std::to_string(value.count() / 1000) + "s");
}

void add_transfer_flags(CLI::App& app, Config& config) {
  app.add_option("--max-concurrent-downloads", config.max_concurrent_downloads, "Layers fetched at once, per registry")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--max-concurrent-uploads", config.max_concurrent_uploads, "Layers pushed at once, per registry")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--max-download-attempts", config.retry.max_attempts,
                 "Tries of a request or layer without progress in between before it fails")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  add_duration(app, "--transfer-stall-timeout", config.stall_timeout,
               "A connection without a byte for that long is given up and the transfer goes on over another");
  add_duration(app, "--transfer-retry-delay", config.retry.first_delay,
               "Wait before the second try; doubles with each failure, to 30 times that");
}

void check_host(const std::string& host) {
  if (host.starts_with("unix:///") || host.starts_with("tcp://")) return;
  throw base::Error(base::ErrorCode::kInvalidArgument,
                    "invalid host \"" + host + "\": must be unix:///path or tcp://address:port");
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine result;
  Config config;
  config.data_root = default_data_root();
  std::string log_level = "info";

  CLI::App app(
      "lighterd - the image half of a Docker Engine: pulls, keeps and pushes images for unchanged Docker clients.\n"
      "Point a client at it with DOCKER_HOST=unix:///run/lighterd.sock",
      "lighterd");
  app.set_version_flag("-v,--version", "lighterd version " + std::string(kVersion) + ", build " + std::string(kCommit));
  app.add_option("-H,--host", config.hosts,
                 "Where to listen: unix:///path, or tcp://127.0.0.1:port with --insecure-tcp; repeatable")
      ->default_str(default_host())
      ->allow_extra_args(false);
  app.add_option("--data-root", config.data_root, "Where images are kept; one daemon at a time")->capture_default_str();
  app.add_option("-G,--group", config.group, "Group that may use the Unix socket (its mode is 0660)");
  app.add_option("--insecure-registry", config.insecure_registries,
                 "Registry host[:port] or CIDR that may have a bad certificate or speak plain HTTP; repeatable")
      ->allow_extra_args(false);
  app.add_option("--allow-nondistributable-artifacts", config.foreign_layer_registries,
                 "Registry host[:port] that foreign layers, where they are here, are pushed to; repeatable")
      ->allow_extra_args(false);
  app.add_option("--registry-mirror", config.registry_mirrors, "URL of a mirror of Docker Hub, tried first; repeatable")
      ->allow_extra_args(false);
  app.add_option("--search-index", config.search_index,
                 "URL of the v1 API that is asked by searches that name no registry")
      ->capture_default_str();
  add_transfer_flags(app, config);
  app.add_option("--certs-dir", config.certs_roots,
                 "Folder with a folder for each registry host[:port]: *.crt, *.cert and *.key, hosts.toml; repeatable")
      ->default_str(default_certs_roots().front().string() + " /etc/containerd/certs.d")
      ->allow_extra_args(false);
  app.add_option(
         "--registry-auth-file", config.registry_auth_file,
         "Credentials of the daemon's own, as \"auths\" of Docker's config.json: for mirrors, and for registries "
         "to which a client sends none; everybody who may use the socket uses them")
      ->envname("REGISTRY_AUTH_FILE");
  app.add_option("-l,--log-level", log_level, "debug, info, warn or error")->capture_default_str();
  app.add_flag("-D,--debug", config.debug, "Same as --log-level debug");
  app.add_flag_function(
      "--disable-url-import", [&](std::int64_t) { config.url_import = distribution::UrlAccess::kRefused; },
      "Refuse imports from a URL, which make the daemon fetch it");
  app.add_flag_function(
      "--no-legacy", [&](std::int64_t) { config.schema1_images = distribution::Schema1Images::kRefused; },
      "Refuse images of schema 1, which are converted otherwise");
  app.add_flag("--insecure-tcp", config.insecure_tcp,
               "Allow tcp:// on loopback without TLS: every local process and user gets full control");
  add_registry_flags(app, config.registry);
  add_ignored_flags(app, result.warnings);

  try {
    app.parse(argc, argv);
    if (config.hosts.empty()) config.hosts.push_back(default_host());
    for (const auto& host : config.hosts) check_host(host);
    check_registry_flags(config.registry);
    if (config.certs_roots.empty()) config.certs_roots = default_certs_roots();
    config.log_level = config.debug ? base::LogLevel::kDebug : base::parse_log_level(log_level);
    config.proxies = {proxy_setting("http_proxy", "HTTP_PROXY"), proxy_setting("https_proxy", "HTTPS_PROXY"),
                      proxy_setting("no_proxy", "NO_PROXY")};
    result.config = std::move(config);
  } catch (const CLI::CallForHelp&) {
    result.text = app.help();
  } catch (const CLI::CallForVersion& version) {
    result.text = std::string(version.what()) + "\n";
  } catch (const CLI::ParseError& error) {
    result.text = std::string("lighterd: ") + error.what() + "\nRun 'lighterd --help' for the flags.\n";
    result.exit_code = 2;
  } catch (const base::Error& error) {
    result.text = std::string("lighterd: ") + error.what() + "\n";
    result.exit_code = 2;
  }
  return result;
}

}  // namespace lighterd::daemon
