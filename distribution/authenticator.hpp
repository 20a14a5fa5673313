// SPDX-License-Identifier: Apache-2.0
// Answers a registry's challenges: Basic, or a bearer token from the token server that the challenge names
// (registry-protocol.md A4). One object has one credential and serves one operation; its tokens die with it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/secret.hpp"
#include "base/synchronized.hpp"
#include "distribution/auth_challenge.hpp"
#include "distribution/auth_config.hpp"
#include "distribution/http_client.hpp"
#include "distribution/registry_endpoint.hpp"

namespace lighterd::distribution {

class Authenticator {
 public:
  enum class Purpose {
    kAccess,
    kLogin,  // a token to keep instead of the password is asked for as well
  };
  // `credentials` are used for whatever registry the calls name: make it anonymous if they are not for that one.
  // A token request that has no complete answer after three times `stall_timeout` fails (kDeadlineExceeded).
  Authenticator(HttpClient& http, AuthConfig credentials, std::string user_agent,
                std::chrono::milliseconds stall_timeout, Purpose purpose = Purpose::kAccess);

  struct Authorization {
    base::Secret value;                            // of the header
    bool was_accepted = false;                     // a request with it has succeeded before
    std::chrono::steady_clock::time_point issued;  // when it was asked for, if it is a token
  };

  // For a request (named by `method_and_url` in errors) to a registry that challenged so. Concurrent calls for the
  // same scopes share one token request; its failure goes to all who wait for it and is not remembered, while the
  // cancellation of the one that made it is nobody else's. Throws RegistryError (refused: kUnauthenticated;
  // "no basic auth credentials"), TransportError, kPermissionDenied (a realm that must not be contacted).
  Authorization authorize(const Challenge& challenge, const Endpoint& registry, const std::vector<Scope>& scopes,
                          const std::string& method_and_url, std::stop_token stop);
  // What the request with that authorization showed.
  void accept(const Challenge& challenge, const std::vector<Scope>& scopes, const base::Secret& authorization);
  void forget(const Challenge& challenge, const std::vector<Scope>& scopes, const base::Secret& authorization);

  // A bearer token that the client gave, or what hosts.toml says: sent with every request, not only after a challenge.
  base::Secret fixed_authorization() const;
  // Of the last token server that gave one; empty if none did.
  base::Secret refresh_token() { return state_.lock()->refresh_token; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Token {
    base::Secret authorization;
    Clock::time_point issued;
    Clock::time_point expires;
    bool was_accepted = false;
  };
  struct Fetch {
    bool done = false;
    std::function<void()> rethrow;  // a copy of what the fetching thread threw; empty: look again
  };
  struct State {
    std::map<std::string, Token> tokens;
    std::map<std::string, std::shared_ptr<Fetch>> fetches;
    base::Secret refresh_token;
  };

  Authorization bearer(const Challenge& challenge, const Endpoint& registry, const std::vector<Scope>& scopes,
                       const std::stop_token& stop);
  Token fetch_and_publish(const std::string& key, const Challenge& challenge, const Endpoint& registry,
                          const std::vector<Scope>& scopes, const std::stop_token& stop);
  Token fetch_token(const Challenge& challenge, const Endpoint& registry, const std::vector<Scope>& scopes,
                    const std::stop_token& stop);
  HttpResponse ask_realm(const Url& realm, const Challenge& challenge, const Endpoint& registry,
                         const std::vector<Scope>& scopes, const std::stop_token& stop);
  HttpResponse get_token(Url realm, const Endpoint& registry, const std::stop_token& stop);
  HttpResponse post_token(const Url& realm, const Endpoint& registry, const Challenge& challenge,
                          const std::vector<Scope>& scopes, const std::stop_token& stop);
  HttpRequest token_request(const Url& url, const Endpoint& registry) const;
  bool has_password() const { return !credentials_.username.empty() && !credentials_.password.empty(); }
  base::Secret basic_authorization() const;

  HttpClient& http_;
  const AuthConfig credentials_;
  const std::string user_agent_;
  const std::chrono::milliseconds stall_timeout_;
  const Purpose purpose_;
  base::Synchronized<State> state_;
  std::condition_variable_any fetched_;
};

}  // namespace lighterd::distribution
