// SPDX-License-Identifier: Apache-2.0
#include "cli/environment.hpp"

#include <unistd.h>

#include <cstdlib>

namespace lighterd::cli {
namespace {

using std::filesystem::path;

std::optional<path> find_absolute(const FindVariable& find_variable, const char* name) {
  const auto value = find_variable(name);
  if (!value || !value->starts_with('/')) return std::nullopt;
  return path(*value);
}

std::string default_host(const FindVariable& find_variable, unsigned effective_user) {
  if (effective_user == 0) return "unix:///run/lighterd.sock";
  if (const auto runtime = find_absolute(find_variable, "XDG_RUNTIME_DIR"))
    return "unix://" + (*runtime / "lighterd.sock").string();
  const path home = find_absolute(find_variable, "HOME").value_or("/");
  const path data = find_absolute(find_variable, "XDG_DATA_HOME").value_or(home / ".local" / "share");
  return "unix://" + (data / "lighterd" / "lighterd.sock").string();
}

AuthFiles find_auth_files(const FindVariable& find_set) {
  AuthFiles files;
  if (const auto folder = find_set("DOCKER_CONFIG")) {
    files.files.push_back(path(*folder) / "config.json");
  } else if (const auto home = find_absolute(find_set, "HOME")) {
    files.files.push_back(*home / ".docker" / "config.json");
  }
  files.named = find_set("REGISTRY_AUTH_FILE");
  const auto runtime = find_absolute(find_set, "XDG_RUNTIME_DIR");
  if (runtime && !files.named) files.files.push_back(*runtime / "containers" / "auth.json");
  return files;
}

std::optional<std::string> find_in_process(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

}  // namespace

Environment make_environment(const FindVariable& find_variable, unsigned effective_user) {
  const auto find_set = [&find_variable](const char* name) {
    auto value = find_variable(name);
    return value && !value->empty() ? value : std::nullopt;
  };
  Environment environment;
  const auto host = find_set("LIGHTER_HOST");
  environment.default_host = default_host(find_set, effective_user);
  environment.host = host ? *host : environment.default_host;
  environment.auth_files = find_auth_files(find_set);
  return environment;
}

Environment read_environment() {
  return make_environment(find_in_process, ::geteuid());
}

}  // namespace lighterd::cli
