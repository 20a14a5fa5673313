// SPDX-License-Identifier: Apache-2.0
// One request to a registry, whatever it takes: endpoint, scheme, authorization, redirects. What the requests mean is
// RegistryClient's. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/synchronized.hpp"
#include "distribution/authenticator.hpp"
#include "distribution/http_client.hpp"
#include "distribution/refusal_sink.hpp"
#include "distribution/registry_client.hpp"
#include "distribution/registry_endpoint.hpp"
#include "distribution/registry_error.hpp"
#include "distribution/retry.hpp"

namespace lighterd::distribution {

struct Call {
  std::string method = "GET";
  std::string path;       // below /v2/
  std::string query;      // encoded, without '?'
  std::optional<Url> at;  // instead of path and query: where an upload goes on
  HeaderList headers;
  std::optional<RequestBody> body;
  OnHead on_success;  // for a 2xx answer; empty: its body is collected
  std::size_t max_body_bytes = kMaxRefusalBytes;
  std::vector<Scope> more_scopes;
  RetryListener on_wait;  // instead of the operation's
  // A challenge is answered although the request succeeded without: the credentials are what is asked about.
  bool must_authorize = false;
  // As in HttpRequest.
  int answer_patience = 1;  // so many stall timeouts may pass between the body and the answer
  std::chrono::milliseconds total_timeout{0};
};

struct Answer {
  HttpResponse response;
  Url url;                    // that answered, after redirects
  std::string request;        // `Get "https://..."` as it was first sent
  bool is_elsewhere = false;  // that URL is not the registry's own

  bool is_success() const { return response.status >= 200 && response.status < 300; }
  // Signed URLs of storage hosts expire: what such a host refuses may be asked of the registry anew.
  RegistryError error() const {
    RegistryError error = make_registry_error(response, request);
    if (is_elsewhere) error.set_stale_location();
    return error;
  }
};

class RegistrySession {
 public:
  // `scopes`: what tokens are asked for.
  RegistrySession(HttpClient& http, const RegistryOptions& options, const std::string& domain, Access access,
                  std::vector<Scope> scopes, OperationContext context, base::Logger& logger);

  // Sends until there is an answer that authorization does not change; any status. Throws as Authenticator and
  // HttpClient, kPermissionDenied for a redirect that must not be followed.
  Answer call(Endpoint& endpoint, const Call& call, const std::stop_token& stop);

  Endpoint& registry() { return *endpoints_.back(); }
  // Behind all mirrors; kPermissionDenied if none can.
  Endpoint& last_that_can(Capability capability) const;

  // Runs `action` with one endpoint that can after the other until it does not throw: a mirror's failure leads to the
  // next, that of the last is thrown; those that could not be reached are left out until a whole round has failed.
  // kPermissionDenied if none can.
  template <typename Action>
  auto try_each(Capability capability, const Action& action);
  // The same, in as many rounds as RetryLoop allows.
  template <typename Action>
  auto try_endpoints(Capability capability, const Action& action, const std::stop_token& stop);
  template <typename Action>
  auto try_endpoints(const Action& action, const std::stop_token& stop) {
    return try_endpoints(Capability::kPull, action, stop);
  }
  // Runs `action` until it does not throw, as long as RetryLoop allows.
  template <typename Action>
  auto retry(const Action& action, const std::stop_token& stop);

  const RetryPolicy& retry_policy() const { return options_.retry; }
  const RetryListener& on_retry() const { return on_retry_; }
  // "Warning" texts of the registry (RFC 9111 5.5 with code 299) that were not taken before, each once.
  std::vector<std::string> take_warnings();

  base::Logger& logger() { return logger_; }

  // What the registry's token server gave to be kept instead of a password; empty if it gave nothing.
  base::Secret refresh_token() { return authenticator_for(registry()).refresh_token(); }

 private:
  struct Warnings {
    std::vector<std::string> all;  // distinct, of bounded number and length
    std::size_t taken = 0;
  };
  struct Admission;
  Authenticator::Authorization authorize(Endpoint& endpoint, const Call& call, const std::vector<Scope>& scopes,
                                         const std::optional<Challenge>& challenge, const std::stop_token& stop);
  bool learn(Endpoint& endpoint, const std::optional<Challenge>& next, Admission& admission);
  bool improve(Endpoint& endpoint, const Challenge& challenge, const Challenge& next,
               const Authenticator::Authorization& authorization, Admission& admission, const std::stop_token& stop);
  Answer send(Endpoint& endpoint, const Call& call, const base::Secret& authorization, const std::stop_token& stop);
  HttpResponse exchange(Endpoint& endpoint, const Call& call, HttpRequest& request, const std::stop_token& stop);
  HttpResponse exchange_undecided(Endpoint& endpoint, const Call& call, HttpRequest& request, Url& url,
                                  const std::stop_token& stop);
  HttpRequest make_request(const Endpoint& endpoint, const Call& call, const Url& url) const;
  bool has_successor(const Endpoint& endpoint) const;
  void note_mirror_failure(Endpoint& endpoint, const base::Error& error);
  void note_failed_round(const base::Error& error);
  std::optional<Challenge> find_challenge(const Endpoint& endpoint);
  void remember_challenge(const Endpoint& endpoint, const Challenge& challenge);
  Authenticator& authenticator_for(const Endpoint& endpoint);
  HttpResponse perform(const HttpRequest& request, const OnHead& on_head, std::size_t max_body_bytes,
                       const std::stop_token& stop);
  void note_warnings(const HttpResponse& head);

  HttpClient& http_;
  base::Logger& logger_;
  const RegistryOptions options_;
  const RetryListener on_retry_;
  const std::vector<Scope> scopes_;
  const std::string user_agent_;
  const HeaderList extra_headers_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::map<const Endpoint*, std::unique_ptr<Authenticator>> authenticators_;  // one each: credentials are of a host
  base::Synchronized<std::map<const Endpoint*, Challenge>> challenges_;
  std::atomic<int> authorizations_ = 0;  // that were had from a token server, or made of a password
  base::Synchronized<Warnings> warnings_;
  base::Synchronized<std::vector<IpAddress>> avoided_;  // that stalled or broke off
};

template <typename Action>
auto RegistrySession::retry(const Action& action, const std::stop_token& stop) {
  RetryLoop loop(options_.retry, on_retry_);
  for (bool had_authorization = authorizations_ > 0;;) {
    try {
      return action();
    } catch (const base::Error& error) {
      // The tries that the first token took are not the request's.
      if (!had_authorization && authorizations_ > 0) {
        had_authorization = true;
        loop.note_progress();
      }
      loop.wait_or_rethrow(error, stop);
    }
  }
}

template <typename Action>
auto RegistrySession::try_each(Capability capability, const Action& action) {
  Endpoint& last = last_that_can(capability);
  for (const auto& endpoint : endpoints_) {
    if (endpoint.get() == &last) break;
    if (!endpoint->can(capability) || endpoint->is_down()) continue;
    try {
      return action(*endpoint);
    } catch (const base::Error& error) {
      if (error.code() == base::ErrorCode::kCancelled || error.code() == base::ErrorCode::kNoSpace) throw;
      note_mirror_failure(*endpoint, error);
    }
  }
  try {
    return action(last);
  } catch (const base::Error& error) {
    note_failed_round(error);
    throw;
  }
}

template <typename Action>
auto RegistrySession::try_endpoints(Capability capability, const Action& action, const std::stop_token& stop) {
  return retry([&] { return try_each(capability, action); }, stop);
}

}  // namespace lighterd::distribution
