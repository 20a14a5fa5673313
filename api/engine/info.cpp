// SPDX-License-Identifier: Apache-2.0
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "api/engine/endpoints.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace lighterd::api {
namespace {

using Ordered = nlohmann::ordered_json;

std::int64_t count_entries(const char* directory) {
  std::error_code error;
  std::int64_t count = 0;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
    ++count;
  return count;
}

// The value of a line of os-release(5), without its quotes.
std::string find_line(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(key) || line.substr(key.size(), 1) != "=") continue;
    line.remove_prefix(key.size() + 1);
    if (line.size() >= 2 && line.front() == '"' && line.back() == '"') line = line.substr(1, line.size() - 2);
    return std::string(line);
  }
  return {};
}

std::string read_os_release() {
  constexpr std::size_t kMaxBytes = std::size_t{64} * 1024;
  for (const char* path : {"/etc/os-release", "/usr/lib/os-release"}) {
    std::error_code error;
    const auto target = std::filesystem::canonical(path, error);  // mostly a link, which open_file does not follow
    if (error) continue;
    try {
      return base::read_file(target, kMaxBytes);
    } catch (const base::Error&) {  // a name for the system is not worth a failed /info
    }
  }
  return {};
}

void add_counts(Ordered& body, EngineCall& call) {
  body["ID"] = call.services.info.daemon_id;
  for (const char* name : {"Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped"}) body[name] = 0;
  body["Images"] = call.services.images.count_images();
  body["Driver"] = "overlayfs";
  body["DriverStatus"] = Ordered::array(
      {Ordered::array({"driver-type", "io.containerd.snapshotter.v1"})});  // how clients tell an OCI store (trap 45)
  body["Plugins"] = {{"Volume", Ordered::array()},
                     {"Network", Ordered::array()},
                     {"Authorization", nullptr},
                     {"Log", Ordered::array()}};
}

// Nothing here is limited. But command lines up to 26 warn by themselves of each of these that is false.
void add_limits(Ordered& body, ApiVersion version) {
  for (const char* name : {"MemoryLimit", "SwapLimit", "CpuCfsPeriod", "CpuCfsQuota", "CPUShares", "CPUSet",
                           "PidsLimit", "IPv4Forwarding"})
    body[name] = true;
  if (version.is_before(50)) {
    const bool warns = version.is_before(46);
    body["BridgeNfIptables"] = warns;
    body["BridgeNfIp6tables"] = warns;
  }
  body["OomKillDisable"] = false;
}

void add_process(Ordered& body, const EngineServices& services) {
  body["Debug"] = services.info.debug;
  body["NFd"] = count_entries("/proc/self/fd");
  body["NGoroutines"] = count_entries("/proc/self/task");
  body["SystemTime"] = base::format_rfc3339(base::now());
  body["LoggingDriver"] = "json-file";
  body["CgroupDriver"] = "none";
  body["CgroupVersion"] = "2";
  body["NEventsListener"] = services.events.listener_count();
}

Ordered registry_config(const distribution::RegistryOptions& options) {
  Ordered cidrs = {"::1/128", "127.0.0.0/8"};
  const Ordered mirrors = options.mirrors;
  Ordered indexes = {
      {"docker.io", {{"Name", "docker.io"}, {"Mirrors", mirrors}, {"Secure", true}, {"Official", true}}}};
  for (const std::string& registry : options.insecure_registries) {
    if (registry.find('/') != std::string::npos) {
      cidrs.push_back(registry);
    } else {
      indexes[registry] = {{"Name", registry}, {"Mirrors", Ordered::array()}, {"Secure", false}, {"Official", false}};
    }
  }
  return {{"InsecureRegistryCIDRs", cidrs}, {"IndexConfigs", indexes}, {"Mirrors", mirrors}};
}

void add_system(Ordered& body, const EngineInfo& info) {
  const std::string release = read_os_release();
  const std::string name = find_line(release, "PRETTY_NAME");
  utsname kernel = {};
  ::uname(&kernel);
  struct sysinfo memory = {};
  ::sysinfo(&memory);
  body["KernelVersion"] = kernel.release;
  body["OperatingSystem"] = name.empty() ? kernel.sysname : base::printable(name, 256);
  body["OSVersion"] = base::printable(find_line(release, "VERSION_ID"), 64);
  body["OSType"] = "linux";
  body["Architecture"] = kernel.machine;
  body["IndexServerAddress"] = "https://index.docker.io/v1/";
  body["RegistryConfig"] = registry_config(info.registries);
  body["NCPU"] = ::sysconf(_SC_NPROCESSORS_ONLN);
  body["MemTotal"] = static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit;
  body["GenericResources"] = nullptr;
  body["DockerRootDir"] = info.data_root;
  body["HttpProxy"] = info.http_proxy;
  body["HttpsProxy"] = info.https_proxy;
  body["NoProxy"] = info.no_proxy;
  body["Name"] = kernel.nodename;
}

void add_runtime(Ordered& body, const EngineInfo& info, ApiVersion version) {
  body["Labels"] = Ordered::array();
  body["ExperimentalBuild"] = false;
  body["ServerVersion"] = info.version;
  body["Runtimes"] = Ordered::object();
  body["DefaultRuntime"] = "";
  body["Swarm"] = {
      {"NodeID", ""}, {"NodeAddr", ""},           {"LocalNodeState", "inactive"}, {"ControlAvailable", false},
      {"Error", ""},  {"RemoteManagers", nullptr}};
  body["LiveRestoreEnabled"] = false;
  body["Isolation"] = "";
  body["InitBinary"] = "";
  Ordered commit = {{"ID", ""}};
  if (version.is_before(49)) commit["Expected"] = "";
  for (const char* name : {"ContainerdCommit", "RuncCommit", "InitCommit"}) body[name] = commit;
  body["SecurityOptions"] = Ordered::array();
  body["CDISpecDirs"] = Ordered::array();
  body["Warnings"] = info.warnings.empty() ? Ordered(nullptr) : Ordered(info.warnings);
}

}  // namespace

void info(EngineCall& call) {
  Ordered body = Ordered::object();
  add_counts(body, call);
  add_limits(body, call.version);
  add_process(body, call.services);
  add_system(body, call.services.info);
  add_runtime(body, call.services.info, call.version);
  send_json(call, 200, body.dump(-1, ' ', false, Ordered::error_handler_t::replace));
}

}  // namespace lighterd::api
