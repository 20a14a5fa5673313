// SPDX-License-Identifier: Apache-2.0
#include "distribution/auth_config.hpp"

#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/registry_host.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr base::JsonLimits kLimits{.max_bytes = 64 * 1024, .max_depth = 8, .max_values = 1000};

std::string text_of(const base::Json& value) {
  if (value.is_null()) return {};
  if (!value.is_string()) throw Error(ErrorCode::kInvalidArgument, "invalid X-Registry-Auth header: not a string");
  return value.get<std::string>();
}

// base64 of "user:password"; whatever else it is, is left out.
void set_from_pair(const std::string& pair, AuthConfig& config) {
  const auto decoded = base::base64_decode(pair);
  const std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
  if (colon == std::string::npos) return;
  config.username = decoded->substr(0, colon);
  config.password = base::Secret(decoded->substr(colon + 1));
}

AuthConfig from_object(const base::Json& object) {
  if (!object.is_object())
    throw Error(ErrorCode::kInvalidArgument, "invalid X-Registry-Auth header: invalid JSON: not an object");
  AuthConfig config;
  std::string pair;
  for (const auto& [key, value] : object.items()) {
    const std::string name = base::to_lower(key);
    if (name == "username") config.username = text_of(value);
    if (name == "password") config.password = base::Secret(text_of(value));
    if (name == "auth") pair = text_of(value);
    if (name == "serveraddress") config.server_address = text_of(value);
    if (name == "identitytoken") config.identity_token = base::Secret(text_of(value));
    if (name == "registrytoken") config.registry_token = base::Secret(text_of(value));
  }
  // The form of the client's configuration file.
  if (config.username.empty() && config.password.empty()) set_from_pair(pair, config);
  // How credential helpers store an identity token.
  if (config.username == "<token>") {
    if (config.identity_token.empty()) config.identity_token = std::move(config.password);
    config.username.clear();
    config.password = base::Secret();
  }
  return config;
}

}  // namespace

std::string registry_of_address(std::string_view address) {
  return oci::normalize_registry_host(address);
}

bool AuthConfig::is_anonymous() const {
  return (username.empty() || password.empty()) && identity_token.empty() && registry_token.empty();
}

bool AuthConfig::is_for(std::string_view registry) const {
  return server_address.empty() || registry_of_address(server_address) == registry_of_address(registry);
}

AuthConfig parse_registry_auth(std::string_view header_value) {
  const auto decoded = base::base64_decode(base::trim(header_value));
  if (!decoded) return {};
  try {
    return from_object(base::parse_json(*decoded, "X-Registry-Auth", kLimits));
  } catch (const Error&) {
    return {};
  }
}

AuthConfig parse_auth_json(std::string_view json) {
  return from_object(base::parse_json(json, "invalid X-Registry-Auth header: invalid JSON", kLimits));
}

}  // namespace lighterd::distribution
