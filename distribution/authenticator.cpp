// SPDX-License-Identifier: Apache-2.0
#include "distribution/authenticator.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "distribution/body_source.hpp"
#include "distribution/error_copy.hpp"
#include "distribution/registry_error.hpp"
#include "distribution/remote_error.hpp"
#include "distribution/token_response.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr int kTokenPatience = 3;  // stall timeouts
constexpr int kMaxRedirects = 5;
constexpr std::string_view kClientId = "lighterd";

std::string cache_key(const Challenge& challenge, const std::vector<Scope>& scopes) {
  std::vector<std::string> sorted;
  for (const Scope& scope : scopes) sorted.push_back(scope.to_string());
  std::sort(sorted.begin(), sorted.end());
  std::string key = challenge.parameter("realm") + "\n" + challenge.parameter("service");
  for (const std::string& scope : sorted) key += "\n" + scope;
  return key;
}

std::string parameter(std::string_view name, std::string_view value) {
  return std::string(name) + "=" + base::percent_encode(value);
}

Url parse_realm(const Challenge& challenge, const Url& registry) {
  Url realm = [&] {
    try {
      return parse_url(challenge.parameter("realm"));
    } catch (const Error& error) {
      throw Error(ErrorCode::kPermissionDenied, "refusing token server: " + error.text());
    }
  }();
  check_named_url(realm, registry, "token server");
  return realm;
}

}  // namespace

Authenticator::Authenticator(HttpClient& http, AuthConfig credentials, std::string user_agent,
                             std::chrono::milliseconds stall_timeout, Purpose purpose)
    : http_(http),
      credentials_(std::move(credentials)),
      user_agent_(std::move(user_agent)),
      stall_timeout_(stall_timeout),
      purpose_(purpose),
      state_(State{}) {}

base::Secret Authenticator::fixed_authorization() const {
  if (!credentials_.authorization.empty()) return credentials_.authorization;
  if (credentials_.registry_token.empty()) return {};
  return base::Secret("Bearer " + credentials_.registry_token.reveal());
}

base::Secret Authenticator::basic_authorization() const {
  return base::Secret("Basic " + base::base64_encode(credentials_.username + ":" + credentials_.password.reveal()));
}

Authenticator::Authorization Authenticator::authorize(const Challenge& challenge, const Endpoint& registry,
                                                      const std::vector<Scope>& scopes,
                                                      const std::string& method_and_url, std::stop_token stop) {
  try {
    if (challenge.scheme == "bearer") return bearer(challenge, registry, scopes, stop);
    if (has_password()) return {basic_authorization(), false, {}};
    // Not kUnauthenticated: to a 401 the docker CLI asks for a user name, also where nobody is there to answer.
    throw RegistryError(ErrorCode::kPermissionDenied, "no basic auth credentials", 401, {});
  } catch (RegistryError& error) {
    error.add_context(method_and_url);
    throw;
  }
}

void Authenticator::accept(const Challenge& challenge, const std::vector<Scope>& scopes,
                           const base::Secret& authorization) {
  auto state = state_.lock();
  const auto found = state->tokens.find(cache_key(challenge, scopes));
  if (found != state->tokens.end() && found->second.authorization == authorization) found->second.was_accepted = true;
}

void Authenticator::forget(const Challenge& challenge, const std::vector<Scope>& scopes,
                           const base::Secret& authorization) {
  auto state = state_.lock();
  const auto found = state->tokens.find(cache_key(challenge, scopes));
  // Another request may have replaced it already.
  if (found != state->tokens.end() && found->second.authorization == authorization) state->tokens.erase(found);
}

Authenticator::Authorization Authenticator::bearer(const Challenge& challenge, const Endpoint& registry,
                                                   const std::vector<Scope>& scopes, const std::stop_token& stop) {
  const std::string key = cache_key(challenge, scopes);
  for (;;) {
    std::function<void()> rethrow;
    {
      auto state = state_.lock();
      const auto token = state->tokens.find(key);
      if (token != state->tokens.end() && Clock::now() < token->second.expires) {
        return {token->second.authorization, token->second.was_accepted, token->second.issued};
      }
      const auto running = state->fetches.find(key);
      if (running == state->fetches.end()) {
        state->fetches.emplace(key, std::make_shared<Fetch>());
        break;
      }
      const std::shared_ptr<Fetch> fetch = running->second;
      if (!state.wait(fetched_, stop, [&] { return fetch->done; })) {
        throw Error(ErrorCode::kCancelled, "context canceled");
      }
      rethrow = fetch->rethrow;
    }
    if (rethrow) rethrow();
  }
  Token token = fetch_and_publish(key, challenge, registry, scopes, stop);
  return {std::move(token.authorization), false, token.issued};
}

Authenticator::Token Authenticator::fetch_and_publish(const std::string& key, const Challenge& challenge,
                                                      const Endpoint& registry, const std::vector<Scope>& scopes,
                                                      const std::stop_token& stop) {
  const auto publish = [&](const Token* token, std::function<void()> rethrow) {
    auto state = state_.lock();
    const auto fetch = state->fetches.extract(key);
    fetch.mapped()->done = true;
    fetch.mapped()->rethrow = std::move(rethrow);
    if (token != nullptr) state->tokens.insert_or_assign(key, *token);
    fetched_.notify_all();
  };
  try {
    Token token = fetch_token(challenge, registry, scopes, stop);
    publish(&token, nullptr);
    return token;
  } catch (const Error& error) {
    // A waiter is not cancelled with the one who fetched: it fetches anew.
    publish(nullptr, error.code() == ErrorCode::kCancelled ? std::function<void()>() : copy_current_error());
    throw;
  } catch (...) {
    publish(nullptr, nullptr);
    throw;
  }
}

HttpRequest Authenticator::token_request(const Url& url, const Endpoint& registry) const {
  HttpRequest request;
  request.url = url.to_string();
  request.headers = {{"User-Agent", user_agent_}, {"Accept", "application/json"}};
  request.tls = registry.tls_for(url);
  request.stall_timeout = stall_timeout_;
  request.total_timeout = kTokenPatience * stall_timeout_;
  request.reach = reach_of_named_url(url, registry.base(), registry.address_class());
  return request;
}

HttpResponse Authenticator::get_token(Url url, const Endpoint& registry, const std::stop_token& stop) {
  base::Secret authorization = has_password() ? basic_authorization() : base::Secret();
  for (int hop = 0;; ++hop) {
    HttpRequest request = token_request(url, registry);
    request.authorization = authorization;
    HttpResponse response = http_.perform(request, nullptr, kMaxTokenBodyBytes, stop);
    if (!is_redirect(response)) return response;
    if (hop == kMaxRedirects) throw Error(ErrorCode::kUnavailable, "token server: stopped after 5 redirects");
    const Url next = resolve_url(url, *response.find_header("Location"));
    check_named_url(next, url, "redirect of the token server to");
    check_named_url(next, registry.base(), "redirect of the token server to");
    if (!is_same_origin(next, url)) authorization = base::Secret();
    url = next;
  }
}

HttpResponse Authenticator::post_token(const Url& realm, const Endpoint& registry, const Challenge& challenge,
                                       const std::vector<Scope>& scopes, const std::stop_token& stop) {
  std::string form = parameter("client_id", kClientId) + "&" + parameter("service", challenge.parameter("service"));
  std::string words;
  for (const Scope& scope : scopes) words += (words.empty() ? "" : " ") + scope.to_string();
  if (!words.empty()) form += "&" + parameter("scope", words);
  if (purpose_ == Purpose::kLogin) form += "&access_type=offline";
  if (!credentials_.identity_token.empty()) {
    form += "&grant_type=refresh_token&" + parameter("refresh_token", credentials_.identity_token.reveal());
  } else {
    form += "&grant_type=password&" + parameter("username", credentials_.username) + "&" +
            parameter("password", credentials_.password.reveal());
  }
  HttpRequest request = token_request(realm, registry);
  request.method = "POST";
  request.body = make_body("application/x-www-form-urlencoded", std::move(form));
  // A redirect is not followed: the body is a credential.
  return http_.perform(request, nullptr, kMaxTokenBodyBytes, stop);
}

// Credentials travel over TLS, or to where the registry itself is spoken to in plain http (security-reliability
// A.2/16).
static void check_may_see_credentials(const Url& realm, const Url& registry) {
  const bool is_registry = realm.host == registry.host && realm.port == registry.port;
  if (realm.is_https() || is_registry || (is_loopback_host(realm.host) && is_loopback_host(registry.host))) return;
  throw Error(ErrorCode::kPermissionDenied,
              "refusing to send credentials to token server " + redact_url(realm.to_string()) + ": it is not https");
}

HttpResponse Authenticator::ask_realm(const Url& realm, const Challenge& challenge, const Endpoint& registry,
                                      const std::vector<Scope>& scopes, const std::stop_token& stop) {
  if (!credentials_.identity_token.empty()) return post_token(realm, registry, challenge, scopes, stop);
  Url url = realm;
  const std::string service = challenge.parameter("service");
  if (!service.empty()) url.add_query(parameter("service", service));
  for (const Scope& scope : scopes) url.add_query(parameter("scope", scope.to_string()));
  if (has_password()) {
    url.add_query(parameter("account", credentials_.username));
    url.add_query(parameter("client_id", kClientId));
    if (purpose_ == Purpose::kLogin) url.add_query("offline_token=true");
  }
  HttpResponse response = get_token(url, registry, stop);
  if (has_password() && (response.status == 404 || response.status == 405))
    return post_token(realm, registry, challenge, scopes, stop);
  return response;
}

Authenticator::Token Authenticator::fetch_token(const Challenge& challenge, const Endpoint& registry,
                                                const std::vector<Scope>& scopes, const std::stop_token& stop) {
  const Url registry_url = registry.base();
  const Url realm = parse_realm(challenge, registry_url);
  if (has_password() || !credentials_.identity_token.empty()) check_may_see_credentials(realm, registry_url);
  const Clock::time_point asked = Clock::now();
  HttpResponse response;
  try {
    response = ask_realm(realm, challenge, registry, scopes, stop);
  } catch (TransportError& error) {
    error.set_of_realm();
    throw;
  }
  if (response.status < 200 || response.status > 299) {
    const std::string server = "token server " + redact_url(realm.to_string());
    RegistryError error = make_registry_error(response, server);
    error.set_realm(redact_url(realm.to_string()));
    if (response.status == 401 || response.status == 403 || response.status == 429) throw error;
    if (response.status == 408 || response.status >= 500) {
      error.add_context(server);
      throw error;
    }
    if (response.status == 404)
      throw RemoteError(Missing::kRealm, server + ": defined realm cannot be found: " + error.text());
    // A token server that is not there says nothing of the image: its refusal must not be taken for the registry's.
    throw Error(ErrorCode::kUnavailable, server + ": " + error.text());
  }
  const auto token = find_token(response.body);
  if (!token) {
    // Cut on its way, perhaps: asked for once more.
    throw Error(ErrorCode::kDataLoss, "unable to decode token response of " + redact_url(realm.to_string()));
  }
  if (token->value.empty()) {
    throw RegistryError(ErrorCode::kUnauthenticated, "authorization server did not include a token in the response",
                        200, {});
  }
  if (!token->refresh_token.empty()) state_.lock()->refresh_token = token->refresh_token;
  return {base::Secret("Bearer " + token->value.reveal()), asked, asked + token->life - token->life / 10, false};
}

}  // namespace lighterd::distribution
