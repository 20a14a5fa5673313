// SPDX-License-Identifier: Apache-2.0
#include "daemon/registry_flags.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <utility>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "oci/registry_host.hpp"

namespace lighterd::daemon {
namespace {

using api::registry::AccessOptions;
using std::chrono::milliseconds;

[[noreturn]] void refuse(const std::string& why) {
  throw base::Error(base::ErrorCode::kInvalidArgument, why);
}

void add_age(CLI::App& app, const char* flag, milliseconds& value, const char* shown, const std::string& text) {
  app.add_option_function<std::string>(
         flag, [&value](const std::string& given) { value = parse_age(given); }, text)
      ->type_name("DURATION")
      ->default_str(shown);
}

// A variable of a script that is not set must not open what it was to close.
std::string refuse_empty(const std::string& value) {
  return value.empty() ? "must not be empty" : "";
}

void add_access_flags(CLI::App& app, CLI::Option* listen, RegistryConfig& config) {
  const CLI::Validator not_empty(refuse_empty, "", "not empty");
  AccessOptions& access = config.access;
  app.add_option("--registry-htpasswd", access.htpasswd,
                 "Registry: ask for a name and password out of this file (htpasswd -B)")
      ->needs(listen)
      ->check(CLI::ExistingFile);
  app.add_option("--registry-realm", config.password_realm, "Registry: what asks for the password, for clients to show")
      ->needs(listen)
      ->capture_default_str();
  app.add_flag("--registry-anonymous-pull", access.is_anonymous_pull_allowed,
               "Registry: with a password file, pulls need none")
      ->needs(listen);
  app.add_option("--registry-token-realm", access.realm,
                 "Registry: URL of the token server that clients are sent to; asks for tokens")
      ->needs(listen)
      ->check(not_empty)
      ->default_str("");
  app.add_option("--registry-token-service", access.service, "Registry: audience that tokens have to name")
      ->needs(listen)
      ->check(not_empty);
  app.add_option("--registry-token-issuer", access.issuer, "Registry: issuer that tokens have to name")
      ->needs(listen)
      ->check(not_empty);
  app.add_option("--registry-token-key", access.keys,
                 "Registry: PEM file with a public key or certificate that tokens are signed with; repeatable")
      ->needs(listen)
      ->check(CLI::ExistingFile)
      ->allow_extra_args(false);
}

void add_cache_flags(CLI::App& app, CLI::Option* listen, RegistryConfig& config) {
  app.add_option_function<std::vector<std::string>>(
         "--registry-upstream",
         [&config](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) add_upstream(text, config);
         },
         "Registry: be a pull-through cache of HOST, for HOST/name and ?ns=HOST; of PREFIX/name with PREFIX=HOST; of "
         "every name that was not pushed here with =HOST; of whatever ?ns= and the name's first part say with '*'; "
         "repeatable")
      ->needs(listen)
      ->allow_extra_args(false);
  app.add_option_function<std::string>(
         "--registry-tag-ttl", [&config](const std::string& text) { config.upstream.tag_lifetime = parse_age(text); },
         "Registry: so long a cached tag is served without asking upstream")
      ->needs(listen)
      ->type_name("DURATION")
      ->default_str("0s");
}

void add_collector_flags(CLI::App& app, RegistryConfig& config) {
  add_age(app, "--gc-interval", config.collector.interval, "1h", "What nothing needs is looked for so often");
  add_age(app, "--gc-grace", config.collector.grace, "24h",
          "Content that no image, manifest or running operation needs stays so long");
}

std::pair<std::string, std::string> split_at(const std::string& text, char separator, const std::string& flag) {
  const std::size_t at = text.find(separator);
  if (at == std::string::npos) refuse(flag + ": \"" + text + "\" has no '" + separator + "'");
  return {text.substr(0, at), text.substr(at + 1)};
}

void apply_limit(imagestore::RetentionRule& rule, const std::string& name, const std::string& value) {
  if (name == "age") {
    rule.max_tag_age = std::chrono::duration_cast<std::chrono::seconds>(parse_age(value));
    if (rule.max_tag_age->count() == 0) refuse("--registry-retention: age=" + value + " is less than a second");
  } else if (name == "keep") {
    const auto count = base::parse_unsigned(value);
    constexpr unsigned long long kMaxKept = 1'000'000;
    if (!count || *count == 0 || *count > kMaxKept)
      refuse("--registry-retention: keep=" + value + " is no number of tags from 1 to 1000000");
    rule.keep_tags = static_cast<std::size_t>(*count);
  } else {
    refuse("--registry-retention: unknown limit \"" + name + "\" (keep, age)");
  }
}

void add_retention_rule(imagestore::RetentionRule rule, RegistryConfig& config) {
  auto& rules = config.collector.retention;
  if (std::ranges::any_of(rules, [&](const auto& each) { return each.prefix == rule.prefix; }))
    refuse("--registry-retention: two rules for \"" + rule.prefix + "\"");
  rules.push_back(std::move(rule));
}

}  // namespace

milliseconds parse_age(const std::string& text) {
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kUnits = {
      {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  constexpr std::int64_t kMaxMs = 3650LL * 86'400'000;
  const std::size_t digits = text.find_first_not_of("0123456789");
  const auto number = base::parse_unsigned(text.substr(0, digits));
  const std::string unit = digits == std::string::npos ? "" : text.substr(digits);
  for (const auto& [name, factor] : kUnits)
    if (number && unit == name && *number <= static_cast<unsigned long long>(kMaxMs / factor))
      return milliseconds(static_cast<std::int64_t>(*number) * factor);
  refuse("invalid duration \"" + text + "\": a number and ms, s, m, h or d");
}

void add_upstream(const std::string& text, RegistryConfig& config) {
  const std::size_t equals = text.find('=');
  std::string host = equals == std::string::npos ? text : text.substr(equals + 1);
  if (oci::is_hub_host(host)) host = oci::kHubDomain;
  const bool is_host = host.find_first_of(".:") != std::string::npos || host == "localhost";
  if (host != "*" && !is_host) refuse("--registry-upstream: \"" + host + "\" is no host of a registry");
  if (equals != std::string::npos) {
    std::string prefix = text.substr(0, equals);
    if (host == "*" || (!prefix.empty() && !imagestore::is_valid_repository(prefix)))
      refuse("--registry-upstream: invalid \"" + text + "\"");
    config.policy.prefixes.push_back({std::move(prefix), host});
  }
  config.upstream.hosts.push_back(host);
}

imagestore::RetentionRule parse_retention_rule(const std::string& text) {
  auto [prefix, limits] = split_at(text, ':', "--registry-retention");
  if (!prefix.empty() && !imagestore::is_valid_repository(prefix))
    refuse("--registry-retention: invalid prefix \"" + prefix + "\"");
  imagestore::RetentionRule rule{.prefix = std::move(prefix), .keep_tags = {}, .max_tag_age = {}};
  for (std::string rest = limits;;) {
    const std::size_t comma = rest.find(',');
    const auto [name, value] = split_at(rest.substr(0, comma), '=', "--registry-retention");
    apply_limit(rule, name, value);
    if (comma == std::string::npos) return rule;
    rest.erase(0, comma + 1);
  }
}

void add_registry_flags(CLI::App& app, RegistryConfig& config) {
  config.access.realm.clear();
  CLI::Option* listen =
      app.add_option("--registry-listen", config.listen,
                     "Serve the images, and what is pushed, as an OCI registry on ADDRESS:PORT, and under /v2/ of the "
                     "Unix socket; loopback only without TLS; repeatable")
          ->type_name("ADDRESS:PORT")
          ->allow_extra_args(false);
  app.add_option("--registry-tls-cert", config.tls_certificate, "Registry: PEM file with the certificate and its chain")
      ->needs(listen)
      ->check(CLI::ExistingFile);
  app.add_option("--registry-tls-key", config.tls_key, "Registry: PEM file with the certificate's key")
      ->needs(listen)
      ->check(CLI::ExistingFile);
  app.add_flag("--registry-allow-plaintext", config.allow_plaintext,
               "Registry: listen without TLS also where other machines can reach it")
      ->needs(listen);
  app.add_option("--registry-name", config.names,
                 "Registry: host name by which clients reach it, where it is open and without TLS; repeatable")
      ->needs(listen)
      ->allow_extra_args(false);
  add_access_flags(app, listen, config);
  app.add_flag("--registry-read-only", config.policy.is_read_only, "Registry: nothing can be pushed or deleted")
      ->needs(listen);
  app.add_option("--registry-class", config.policy.classes,
                 "Registry: class of manifests that may be pushed (image, plugin); all without this; repeatable")
      ->needs(listen)
      ->allow_extra_args(false);
  add_cache_flags(app, listen, config);
  app.add_option_function<std::vector<std::string>>(
         "--registry-retention",
         [&config](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) add_retention_rule(parse_retention_rule(text), config);
         },
         "Registry: PREFIX:keep=N,age=30d keeps the newest N tags of each repository below PREFIX, and none that was "
         "pushed or confirmed longer ago; repeatable")
      ->needs(listen)
      ->allow_extra_args(false);
  add_collector_flags(app, config);
}

void check_registry_flags(RegistryConfig& config) {
  if (config.tls_certificate.empty() != config.tls_key.empty())
    refuse("--registry-tls-cert and --registry-tls-key need each other");
  AccessOptions& access = config.access;
  const bool has_tokens =
      !access.realm.empty() || !access.keys.empty() || !access.service.empty() || !access.issuer.empty();
  if (has_tokens && !access.htpasswd.empty()) refuse("--registry-htpasswd and --registry-token-* exclude each other");
  if (access.is_anonymous_pull_allowed && access.htpasswd.empty())
    refuse("--registry-anonymous-pull needs --registry-htpasswd");
  if (has_tokens && (access.realm.empty() || access.keys.empty() || access.service.empty() || access.issuer.empty()))
    refuse("--registry-token-realm, -service, -issuer and -key need each other");
  if (has_tokens) access.scheme = AccessOptions::Scheme::kBearer;
  if (!access.htpasswd.empty()) access.scheme = AccessOptions::Scheme::kBasic;
  if (access.scheme == AccessOptions::Scheme::kBasic) access.realm = config.password_realm;
}

}  // namespace lighterd::daemon
