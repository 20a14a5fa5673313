// SPDX-License-Identifier: Apache-2.0
#include "distribution/auth_file.hpp"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "distribution/certs_directory.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr base::JsonLimits kLimits{.max_bytes = 1024 * 1024, .max_depth = 16, .max_values = 100'000};

bool names_host(std::string_view key, std::string_view host, KeyScheme required) {
  const std::size_t scheme = key.find("://");
  if (required == KeyScheme::kHttp && !base::equals_ignoring_case(key.substr(0, scheme), "http")) return false;
  const std::string_view rest = scheme == std::string_view::npos ? key : key.substr(scheme + 3);
  const std::size_t slash = rest.find('/');
  std::string_view path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  if (path.ends_with('/')) path.remove_suffix(1);
  if (rest.empty() || slash == 0 || !(path.empty() || path == "/v1" || path == "/v2")) return false;
  AuthConfig named;
  named.server_address = std::string(key);
  return named.is_for(host);
}

AuthConfig parse_entry(const base::Json& entry) {
  AuthConfig config;
  config.username = base::find_string(entry, "username").value_or("");
  config.password = base::Secret(base::find_string(entry, "password").value_or(""));
  config.identity_token = base::Secret(base::find_string(entry, "identitytoken").value_or(""));
  config.registry_token = base::Secret(base::find_string(entry, "registrytoken").value_or(""));
  if (const auto auth = base::find_string(entry, "auth"); auth && !auth->empty()) {
    const auto pair = base::base64_decode(base::trim(*auth));
    const std::size_t colon = pair ? pair->find(':') : std::string::npos;
    if (colon == std::string::npos) throw Error(ErrorCode::kInvalidArgument, "auth");
    config.username = pair->substr(0, colon);
    std::string password = pair->substr(colon + 1);
    // docker pads it so.
    while (password.ends_with('\0')) password.pop_back();
    config.password = base::Secret(std::move(password));
  }
  // How credential helpers store an identity token.
  if (config.username == "<token>") {
    if (config.identity_token.empty()) config.identity_token = std::move(config.password);
    config.username.clear();
    config.password = base::Secret();
  }
  return config;
}

std::optional<std::string> read_if_there(const std::filesystem::path& file) {
  std::error_code error;
  if (std::filesystem::status(file, error).type() == std::filesystem::file_type::not_found) return std::nullopt;
  return read_configuration(file, kLimits.max_bytes);
}

}  // namespace

AuthConfig find_file_credentials(const std::filesystem::path& file, std::string_view host, KeyScheme scheme) {
  const auto text = read_if_there(file);
  if (!text) return {};
  try {
    const base::Json document = base::parse_json(*text, "auth file", kLimits);
    if (!document.is_object()) throw Error(ErrorCode::kInvalidArgument, "not an object");
    const base::Json* auths = base::find_object(document, "auths");
    if (auths == nullptr) return {};
    for (const auto& [key, entry] : auths->items()) {
      if (!names_host(key, host, scheme)) continue;
      if (!entry.is_object()) throw Error(ErrorCode::kInvalidArgument, "not an object");
      AuthConfig config = parse_entry(entry);
      if (!config.is_anonymous()) return config;
    }
    return {};
  } catch (const Error&) {
    // What the parser says may quote a password.
    throw Error(ErrorCode::kInvalidArgument,
                file.string() + ": the credentials for " + std::string(host) +
                    " cannot be read: it must be a JSON object whose \"auths\" hold \"auth\" or \"identitytoken\"");
  }
}

}  // namespace lighterd::distribution
