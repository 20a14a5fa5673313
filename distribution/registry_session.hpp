// SPDX-License-Identifier: Apache-2.0
// One request to a registry, whatever it takes: endpoint, scheme, authorization, redirects. What the requests mean is
// RegistryClient's. Thread-safe.
#pragma once

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
#include "distribution/registry_client.hpp"
#include "distribution/registry_endpoint.hpp"
#include "distribution/registry_error.hpp"

namespace lighterd::distribution {

inline constexpr std::size_t kMaxErrorBodyBytes = 64 * 1024;  // of what is not 2xx; the rest is not read

struct Call {
  std::string method = "GET";
  std::string path;       // below /v2/
  std::string query;      // encoded, without '?'
  std::optional<Url> at;  // instead of path and query: where an upload goes on
  HeaderList headers;
  std::optional<RequestBody> body;
  OnHead on_success;  // for a 2xx answer; empty: its body is collected
  std::size_t max_body_bytes = kMaxErrorBodyBytes;
  std::vector<Scope> more_scopes;
};

struct Answer {
  HttpResponse response;
  Url url;              // that answered, after redirects
  std::string request;  // `Get "https://..."` as it was first sent

  bool is_success() const { return response.status >= 200 && response.status < 300; }
  RegistryError error() const { return make_registry_error(response, request); }
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

  // Runs `action` with one endpoint after the other until it does not throw; only a mirror's failure is passed over,
  // and only while `can_repeat` says so.
  template <typename Action>
  auto try_endpoints(
      const Action& action, const std::function<bool()>& can_repeat = [] { return true; });

  base::Logger& logger() { return logger_; }

 private:
  Answer send(Endpoint& endpoint, const Call& call, const base::Secret& authorization, const std::stop_token& stop);
  HttpResponse exchange(Endpoint& endpoint, const Call& call, HttpRequest& request, const std::stop_token& stop);
  HttpResponse exchange_undecided(Endpoint& endpoint, const Call& call, HttpRequest& request, Url& url,
                                  const std::stop_token& stop);
  HttpRequest make_request(const Endpoint& endpoint, const Call& call, const Url& url) const;
  void note_mirror_failure(Endpoint& endpoint, const base::Error& error);
  std::optional<Challenge> find_challenge(const Endpoint& endpoint);
  void remember_challenge(const Endpoint& endpoint, const Challenge& challenge);
  Authenticator& authenticator_for(const Endpoint& endpoint);

  HttpClient& http_;
  base::Logger& logger_;
  const std::vector<Scope> scopes_;
  const std::string user_agent_;
  const HeaderList extra_headers_;
  const InsecureRegistries insecure_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  Authenticator authenticator_;
  Authenticator anonymous_;  // for mirrors
  base::Synchronized<std::map<const Endpoint*, Challenge>> challenges_;
};

template <typename Action>
auto RegistrySession::try_endpoints(const Action& action, const std::function<bool()>& can_repeat) {
  for (const auto& endpoint : endpoints_) {
    if (endpoint->kind() != Endpoint::Kind::kMirror) break;
    if (endpoint->is_down()) continue;
    try {
      return action(*endpoint);
    } catch (const base::Error& error) {
      if (error.code() == base::ErrorCode::kCancelled || !can_repeat()) throw;
      note_mirror_failure(*endpoint, error);
    }
  }
  return action(registry());
}

}  // namespace lighterd::distribution
