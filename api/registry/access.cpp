// SPDX-License-Identifier: Apache-2.0
#include "api/registry/access.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "api/registry/htpasswd.hpp"
#include "api/registry/registry_fault.hpp"
#include "api/registry/token_verifier.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "base/secret.hpp"

namespace lighterd::api::registry {
namespace {

using base::Error;
using base::ErrorCode;

std::string_view to_string(Action action) {
  switch (action) {
    case Action::kPull:
      return "pull";
    case Action::kPush:
      return "push";
    case Action::kDelete:
      return "delete";
  }
  return "";
}

// Whoever is let in may do everything: with an open registry, and with a password.
class FullIdentity final : public Identity {
 public:
  explicit FullIdentity(std::string name) : name_(std::move(name)) {}
  std::string_view name() const override { return name_; }
  bool may(const Permission&) const override { return true; }
  std::vector<std::string> classes_of(const std::string&) const override { return {}; }

 private:
  std::string name_;
};

class AnonymousReader final : public Identity {
 public:
  std::string_view name() const override { return ""; }
  bool may(const Permission& permission) const override {
    return permission.kind == Permission::Kind::kRepository && permission.action == Action::kPull;
  }
  std::vector<std::string> classes_of(const std::string&) const override { return {}; }
};

class TokenHolder final : public Identity {
 public:
  explicit TokenHolder(TokenClaims claims) : claims_(std::move(claims)) {}
  std::string_view name() const override { return claims_.subject; }

  bool may(const Permission& permission) const override {
    const bool is_catalog = permission.kind == Permission::Kind::kCatalog;
    const std::string_view type = is_catalog ? "registry" : "repository";
    const std::string_view name = is_catalog ? "catalog" : std::string_view(permission.repository);
    const std::string_view action = is_catalog ? "*" : to_string(permission.action);
    return std::ranges::any_of(claims_.grants, [&](const Grant& grant) {
      return grant.type == type && grant.name == name &&
             std::ranges::any_of(grant.actions, [&](const auto& given) { return given == action || given == "*"; });
    });
  }

  std::vector<std::string> classes_of(const std::string& repository) const override {
    std::vector<std::string> classes;
    for (const Grant& grant : claims_.grants)
      if (grant.type == "repository" && grant.name == repository)
        classes.push_back(grant.klass.empty() ? "image" : grant.klass);
    return classes;
  }

 private:
  TokenClaims claims_;
};

std::string in_quotes(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

// "repository:a/b:pull,push repository:c:pull": one parameter, as Docker's token client reads but one.
std::string scope_of(const std::vector<Permission>& permissions) {
  std::vector<std::pair<std::string, std::string>> scopes;
  for (const Permission& permission : permissions) {
    const bool is_catalog = permission.kind == Permission::Kind::kCatalog;
    const std::string resource = is_catalog ? "registry:catalog" : "repository:" + permission.repository;
    const std::string action(is_catalog ? "*" : to_string(permission.action));
    const auto known = std::ranges::find_if(scopes, [&](const auto& scope) { return scope.first == resource; });
    if (known == scopes.end())
      scopes.emplace_back(resource, action);
    else
      known->second += "," + action;
  }
  std::string text;
  for (const auto& [resource, actions] : scopes) text += (text.empty() ? "" : " ") + resource + ":" + actions;
  return base::printable(text);
}

// As distribution tells what was missing.
std::string detail_of(const std::vector<Permission>& permissions) {
  if (permissions.empty()) return {};
  base::Json list = base::Json::array();
  for (const Permission& permission : permissions) {
    const bool is_catalog = permission.kind == Permission::Kind::kCatalog;
    list.push_back(base::Json{{"Type", is_catalog ? "registry" : "repository"},
                              {"Class", ""},
                              {"Name", is_catalog ? "catalog" : permission.repository},
                              {"Action", is_catalog ? "*" : std::string(to_string(permission.action))}});
  }
  return base::to_text(list);
}

// The credentials behind `scheme`; nothing for another scheme, and for several fields, of which each could be meant.
std::optional<base::Secret> find_authorization(const Request& request, std::string_view scheme) {
  const std::string* found = nullptr;
  for (const auto& [name, value] : request.headers.all()) {
    if (!base::equals_ignoring_case(name, "Authorization")) continue;
    if (found != nullptr) return std::nullopt;
    found = &value;
  }
  if (found == nullptr || found->size() <= scheme.size() || (*found)[scheme.size()] != ' ' ||
      !base::equals_ignoring_case(std::string_view(*found).substr(0, scheme.size()), scheme))
    return std::nullopt;
  return base::Secret(std::string(base::trim(std::string_view(*found).substr(scheme.size()))));
}

struct Login {
  std::string user;
  base::Secret password;
};

std::optional<Login> parse_login(const base::Secret& credentials) {
  auto decoded = base::base64_decode(credentials.reveal());
  if (!decoded) return std::nullopt;
  const base::Secret pair(std::move(*decoded));
  const auto colon = pair.reveal().find(':');
  if (colon == std::string::npos) return std::nullopt;
  return Login{pair.reveal().substr(0, colon), base::Secret(pair.reveal().substr(colon + 1))};
}

void require(bool condition, const std::string& what) {
  if (!condition) throw Error(ErrorCode::kInvalidArgument, what);
}

void check_options(const AccessOptions& options) {
  for (const std::string& text : {options.realm, options.service})
    require(base::printable(text, text.size()) == text, "realm and service of a registry must be printable");
  if (options.scheme == AccessOptions::Scheme::kBasic) {
    require(!options.realm.empty(), "Basic access needs a realm");
    require(!options.htpasswd.empty(), "Basic access needs an htpasswd file");
  }
  if (options.scheme != AccessOptions::Scheme::kBearer) return;
  require(options.realm.starts_with("https://") || options.realm.starts_with("http://"),
          "token access needs the URL of the token server as its realm");
  require(!options.service.empty() && !options.issuer.empty(), "token access needs a service and an issuer");
  require(!options.keys.empty(), "token access needs a public key");
}

std::vector<TokenKey> load_keys(const std::vector<std::filesystem::path>& files) {
  std::vector<TokenKey> keys;
  for (const auto& file : files)
    for (TokenKey& key : TokenKey::load(file)) keys.push_back(std::move(key));
  return keys;
}

enum class Refusal { kNone, kInvalidToken, kInsufficientScope };

}  // namespace

struct AccessController::State {
  State(AccessOptions options_in, base::Logger& logger_in);

  std::shared_ptr<const Identity> authorize_basic(const Request& request, const std::vector<Permission>& permissions);
  std::shared_ptr<const Identity> authorize_bearer(const Request& request, const std::vector<Permission>& permissions);
  RegistryFault unauthorized(const std::vector<Permission>& permissions, Refusal refusal) const;

  AccessOptions options;
  base::Logger& logger;
  std::shared_ptr<const Identity> open_identity = std::make_shared<FullIdentity>("");
  std::shared_ptr<const Identity> anonymous = std::make_shared<AnonymousReader>();
  std::unique_ptr<HtpasswdFile> htpasswd;
  std::unique_ptr<TokenVerifier> tokens;
};

AccessController::State::State(AccessOptions options_in, base::Logger& logger_in)
    : options(std::move(options_in)), logger(logger_in) {
  check_options(options);
  if (options.scheme == AccessOptions::Scheme::kBasic)
    htpasswd = std::make_unique<HtpasswdFile>(options.htpasswd, logger);
  if (options.scheme == AccessOptions::Scheme::kBearer)
    tokens = std::make_unique<TokenVerifier>(options.issuer, options.service, load_keys(options.keys));
}

RegistryFault AccessController::State::unauthorized(const std::vector<Permission>& permissions, Refusal refusal) const {
  std::string challenge = "Basic realm=" + in_quotes(options.realm);
  if (options.scheme == AccessOptions::Scheme::kBearer) {
    challenge = "Bearer realm=" + in_quotes(options.realm) + ",service=" + in_quotes(options.service);
    if (!permissions.empty()) challenge += ",scope=" + in_quotes(scope_of(permissions));
    if (refusal == Refusal::kInvalidToken) challenge += R"(,error="invalid_token")";
    if (refusal == Refusal::kInsufficientScope) challenge += R"(,error="insufficient_scope")";
  }
  FaultEntry entry{FaultCode::kUnauthorized, "", {}};
  entry.detail = detail_of(permissions);
  RegistryFault::Headers headers;
  headers.emplace_back("WWW-Authenticate", std::move(challenge));
  return {401, std::move(entry), std::move(headers)};
}

// An empty name with an empty password is what some clients send that have none.
std::shared_ptr<const Identity> AccessController::State::authorize_basic(const Request& request,
                                                                         const std::vector<Permission>& permissions) {
  const bool is_silent = request.headers.find("Authorization") == nullptr;
  const auto credentials = find_authorization(request, "Basic");
  const auto login = credentials ? parse_login(*credentials) : std::nullopt;
  if (is_silent || (login && login->user.empty() && login->password.empty())) {
    const bool may_read =
        options.is_anonymous_pull_allowed && !permissions.empty() &&
        std::ranges::all_of(permissions, [&](const Permission& permission) { return anonymous->may(permission); });
    if (may_read) return anonymous;
    throw unauthorized(permissions, Refusal::kNone);
  }
  if (!login || !htpasswd->verify(login->user, login->password, request.stop)) {
    logger.warn("a login to the registry was refused", {{"user", login ? login->user : ""}});
    throw unauthorized(permissions, Refusal::kNone);
  }
  return std::make_shared<FullIdentity>(login->user);
}

std::shared_ptr<const Identity> AccessController::State::authorize_bearer(const Request& request,
                                                                          const std::vector<Permission>& permissions) {
  const auto token = find_authorization(request, "Bearer");
  if (!token) throw unauthorized(permissions, Refusal::kNone);
  std::shared_ptr<const Identity> holder;
  try {
    holder = std::make_shared<TokenHolder>(tokens->verify(token->reveal()));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnauthenticated) throw;
    logger.warn("a request to the registry was refused", {{"reason", error.text()}});
    throw unauthorized(permissions, Refusal::kInvalidToken);
  }
  if (!std::ranges::all_of(permissions, [&](const Permission& permission) { return holder->may(permission); }))
    throw unauthorized(permissions, Refusal::kInsufficientScope);
  return holder;
}

AccessController::AccessController(AccessOptions options, base::Logger& logger)
    : state_(std::make_unique<State>(std::move(options), logger)) {}

AccessController::~AccessController() = default;

std::shared_ptr<const Identity> AccessController::authorize(const Request& request,
                                                            const std::vector<Permission>& permissions) const {
  switch (state_->options.scheme) {
    case AccessOptions::Scheme::kOpen:
      return state_->open_identity;
    case AccessOptions::Scheme::kBasic:
      return state_->authorize_basic(request, permissions);
    case AccessOptions::Scheme::kBearer:
      break;
  }
  return state_->authorize_bearer(request, permissions);
}

}  // namespace lighterd::api::registry
