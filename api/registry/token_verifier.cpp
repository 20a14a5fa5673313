// SPDX-License-Identifier: Apache-2.0
#include "api/registry/token_verifier.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"

namespace lighterd::api::registry {
namespace {

using base::Error;
using base::ErrorCode;
using base::Json;

constexpr std::size_t kMaxTokenBytes = 16 * 1024;
constexpr double kLeewaySeconds = 60;

[[noreturn]] void refuse(const std::string& reason) {
  throw Error(ErrorCode::kUnauthenticated, "token refused: " + reason);
}

struct Parts {
  std::string_view signed_text;  // header and claims, with the point
  std::string header;
  std::string claims;
  std::string signature;
};

std::string decode_part(std::string_view text) {
  const auto is_url_safe = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  const auto decoded = base::base64_decode(text);
  if (text.empty() || !decoded || !std::ranges::all_of(text, is_url_safe)) refuse("not base64url");
  return *decoded;
}

Parts split_token(std::string_view token) {
  if (token.size() > kMaxTokenBytes) refuse("too large");
  const auto first = token.find('.');
  const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    refuse("not three parts");
  return {token.substr(0, second), decode_part(token.substr(0, first)),
          decode_part(token.substr(first + 1, second - first - 1)), decode_part(token.substr(second + 1))};
}

Json parse_object(const std::string& text, const std::string& what) {
  Json value = base::parse_json(text, what, {kMaxTokenBytes, 16, 10'000});
  if (!value.is_object()) refuse(what + " is no object");
  return value;
}

std::string algorithm_of(const Json& header) {
  // What has to be understood would have to be known here.
  if (header.contains("crit")) refuse("critical extensions");
  return base::get_string(header, "alg");
}

std::optional<double> find_time(const Json& claims, const char* key) {
  const auto found = claims.find(key);
  if (found == claims.end()) return std::nullopt;
  if (!found->is_number()) refuse(std::string(key) + " is no time");
  return found->get<double>();
}

void check_times(const Json& claims) {
  const auto now = static_cast<double>(std::time(nullptr));
  const auto expiry = find_time(claims, "exp");
  if (!expiry) refuse("no expiry");
  if (!(*expiry + kLeewaySeconds > now)) refuse("expired");
  for (const char* key : {"nbf", "iat"})
    if (const auto begin = find_time(claims, key); begin && !(*begin - kLeewaySeconds <= now)) refuse("not valid yet");
}

bool has_audience(const Json& claims, const std::string& service) {
  const auto found = claims.find("aud");
  if (found == claims.end()) return false;
  if (found->is_string()) return found->get_ref<const std::string&>() == service;
  return found->is_array() && std::ranges::any_of(*found, [&](const Json& one) {
           return one.is_string() && one.get_ref<const std::string&>() == service;
         });
}

Grant parse_grant(const Json& entry) {
  if (!entry.is_object()) refuse("bad access");
  Grant grant;
  grant.type = base::get_string(entry, "type");
  if (const auto open = grant.type.find('('); open != std::string::npos && grant.type.ends_with(')')) {
    grant.klass = grant.type.substr(open + 1, grant.type.size() - open - 2);
    grant.type.resize(open);
  }
  grant.name = base::get_string(entry, "name");
  grant.actions = base::find_string_array(entry, "actions");
  return grant;
}

TokenClaims parse_claims(const Json& claims) {
  TokenClaims result;
  result.subject = base::find_string(claims, "sub").value_or("");
  if (const Json* access = base::find_array(claims, "access"))
    for (const Json& entry : *access) result.grants.push_back(parse_grant(entry));
  return result;
}

}  // namespace

TokenVerifier::TokenVerifier(std::string issuer, std::string service, std::vector<TokenKey> keys)
    : issuer_(std::move(issuer)), service_(std::move(service)), keys_(std::move(keys)) {}

bool TokenVerifier::is_signed(std::string_view signed_text, std::string_view algorithm,
                              std::string_view signature) const {
  return std::ranges::any_of(
      keys_, [&](const TokenKey& key) { return key.algorithm() == algorithm && key.verify(signed_text, signature); });
}

// Nothing of the claims is looked at before the signature.
TokenClaims TokenVerifier::verify(std::string_view token) const {
  try {
    const Parts parts = split_token(token);
    const std::string algorithm = algorithm_of(parse_object(parts.header, "header"));
    if (!is_signed(parts.signed_text, algorithm, parts.signature)) refuse("no known key has signed it");
    const Json claims = parse_object(parts.claims, "claims");
    check_times(claims);
    if (base::find_string(claims, "iss") != issuer_) refuse("another issuer");
    if (!has_audience(claims, service_)) refuse("for another service");
    return parse_claims(claims);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kUnauthenticated) throw;
    refuse(error.text());
  }
}

}  // namespace lighterd::api::registry
