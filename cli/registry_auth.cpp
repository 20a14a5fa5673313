// SPDX-License-Identifier: Apache-2.0
#include "cli/registry_auth.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "cli/exit_code.hpp"
#include "oci/registry_host.hpp"

namespace lighterd::cli {
namespace {

namespace fs = std::filesystem;
using base::Json;
using base::Secret;

constexpr base::JsonLimits kLimits{.max_bytes = 4 * 1024 * 1024, .max_depth = 16, .max_values = 100'000};
// What docker itself calls Hub, in its file and to daemons.
constexpr const char* kHubAddress = "https://index.docker.io/v1/";

struct Credentials {
  std::string username;
  Secret password;
  Secret identity_token;
  bool is_empty() const { return identity_token.empty() && (username.empty() || password.empty()); }
};

// The same origin as without it for whom https is spoken to.
std::string without_https_port(std::string host) {
  constexpr std::string_view kPort = ":443";
  if (host.ends_with(kPort)) host.resize(host.size() - kPort.size());
  return host;
}

// "host[:port][/path]" of a key: Hub's names are one, and what old clients put behind a host is gone.
std::string normalize_key(std::string_view key) {
  const std::size_t scheme = key.find("://");
  std::string_view rest = scheme == std::string_view::npos ? key : key.substr(scheme + 3);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view path = rest.substr(slash);
  if (path == "/v1" || path == "/v2") path = {};
  return without_https_port(oci::normalize_registry_host(rest.substr(0, slash))) + std::string(path);
}

// What keys are compared with.
std::string key_of(const oci::RepositoryName& repository) {
  return without_https_port(base::to_lower(repository.domain())) + "/" + repository.path();
}

bool fits(std::string_view repository, std::string_view key) {
  return repository == key || (repository.starts_with(key) && repository[key.size()] == '/');
}

// base64 of "user:password", padded with zeros by docker.
void read_pair(const Secret& encoded, Credentials& credentials) {
  auto decoded = base::base64_decode(base::trim(encoded.reveal()));
  if (!decoded) throw base::Error(base::ErrorCode::kInvalidArgument, "auth");
  const Secret pair(std::move(*decoded));
  const std::size_t colon = pair.reveal().find(':');
  if (colon == std::string::npos) throw base::Error(base::ErrorCode::kInvalidArgument, "auth");
  credentials.username = pair.reveal().substr(0, colon);
  std::string password = pair.reveal().substr(colon + 1);
  while (password.ends_with('\0')) password.pop_back();
  credentials.password = Secret(std::move(password));
}

Secret find_secret(const Json& entry, std::string_view key) {
  return Secret(base::find_string(entry, key).value_or(""));
}

Credentials read_entry(const Json& entry) {
  if (!entry.is_object()) throw base::Error(base::ErrorCode::kInvalidArgument, "not an object");
  Credentials credentials{base::find_string(entry, "username").value_or(""), find_secret(entry, "password"),
                          find_secret(entry, "identitytoken")};
  if (const Secret pair = find_secret(entry, "auth"); !pair.empty()) read_pair(pair, credentials);
  return credentials;
}

std::optional<Credentials> find_entry(const Json& document, std::string_view repository) {
  const Json* auths = base::find_object(document, "auths");
  if (auths == nullptr) return std::nullopt;
  std::optional<Credentials> found;
  std::size_t longest = 0;
  for (const auto& [key, entry] : auths->items()) {
    const std::string normalized = normalize_key(key);
    if (normalized.empty() || normalized.size() <= longest || !fits(repository, normalized)) continue;
    // With a helper docker leaves entries without credentials.
    Credentials credentials = read_entry(entry);
    if (credentials.is_empty()) continue;
    found = std::move(credentials);
    longest = normalized.size();
  }
  return found;
}

bool names_helper(const Json& document, std::string_view repository) {
  if (const auto store = base::find_string(document, "credsStore"); store && !store->empty()) return true;
  const Json* helpers = base::find_object(document, "credHelpers");
  if (helpers == nullptr) return false;
  const auto items = helpers->items();
  return std::any_of(items.begin(), items.end(),
                     [repository](const auto& item) { return fits(repository, normalize_key(item.key())); });
}

Secret make_header(const Credentials& credentials, std::string_view registry) {
  Json fields = {{"serveraddress", registry == oci::kHubDomain ? std::string(kHubAddress) : std::string(registry)}};
  if (!credentials.username.empty()) fields["username"] = credentials.username;
  if (!credentials.identity_token.empty()) {
    fields["identitytoken"] = credentials.identity_token.reveal();
  } else {
    fields["password"] = credentials.password.reveal();
  }
  const Secret plain(base::to_text(fields));
  std::string encoded = base::base64_encode(plain.reveal());
  std::replace(encoded.begin(), encoded.end(), '+', '-');
  std::replace(encoded.begin(), encoded.end(), '/', '_');
  return Secret(std::move(encoded));
}

[[noreturn]] void refuse_file(const fs::path& file, const std::string& why) {
  throw Failure(ExitCode::kUsage, "cannot read the credentials in " + file.string() + ": " + why);
}

Secret read_text(const fs::path& file) {
  std::error_code error;
  const fs::path target = fs::canonical(file, error);  // people link their configuration from elsewhere
  if (error) refuse_file(file, error.message());
  try {
    return Secret(base::read_file(target, kLimits.max_bytes));
  } catch (const base::Error& failure) {
    refuse_file(file, failure.text());
  }
}

Json read_document(const fs::path& file) {
  const Secret text = read_text(file);
  try {
    Json document = base::parse_json(text.reveal(), "file", kLimits);
    if (document.is_object()) return document;
  } catch (const std::exception&) {  // what the parser says may quote a password
  }
  refuse_file(file, "it must be a JSON object");
}

std::vector<fs::path> files_that_are_there(const AuthFiles& files) {
  std::vector<fs::path> found;
  if (files.named) found.push_back(*files.named);
  for (const fs::path& file : files.files) {
    std::error_code error;
    if (fs::exists(file, error) || error) found.push_back(file);
  }
  return found;
}

// Nothing for a name that is none: the daemon says what is wrong with it.
std::optional<oci::RepositoryName> find_repository(const std::string& name) {
  try {
    return oci::parse_written_name(name).repository();
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

}  // namespace

RegistryAuth find_registry_auth(const AuthFiles& files, std::string_view name) {
  RegistryAuth auth;
  const auto repository = find_repository(std::string(name));
  if (!repository) return auth;
  const std::string key = key_of(*repository);
  for (const fs::path& file : files_that_are_there(files)) {
    const Json document = read_document(file);
    try {
      if (const auto credentials = find_entry(document, key)) {
        auth.header = make_header(*credentials, repository->domain());
        return auth;
      }
      if (auth.helpers.empty() && names_helper(document, key)) auth.helpers = file;
    } catch (const base::Error&) {
      throw Failure(ExitCode::kUsage, "cannot read the credentials for " + repository->domain() + " in " +
                                          file.string() + ": \"auths\" must hold \"auth\" or \"identitytoken\"");
    }
  }
  return auth;
}

}  // namespace lighterd::cli
