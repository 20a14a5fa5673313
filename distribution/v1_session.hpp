// SPDX-License-Identifier: Apache-2.0
// How servers of the v1 API (search indexes, registries from before /v2/) are spoken to: scheme, trust, redirects,
// cookies. What the paths mean is search_client's and v1_registry's.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "base/log.hpp"
#include "base/secret.hpp"
#include "distribution/cookie_jar.hpp"
#include "distribution/host_trust.hpp"
#include "distribution/http_client.hpp"
#include "distribution/registry_client.hpp"
#include "distribution/registry_endpoint.hpp"
#include "distribution/registry_error.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {

inline constexpr std::size_t kMaxV1BodyBytes = std::size_t{4} * 1024 * 1024;

struct V1Answer {
  HttpResponse response;  // of a refusal the beginning of its body
  Url url;                // that answered, after redirects
  std::string request;    // `Get "https://..."` as it was first sent

  bool is_success() const { return response.status >= 200 && response.status < 300; }
  RegistryError error() const { return make_registry_error(response, request); }
};

// Whether the server is asked for a token (X-Docker-Token); indexes want to be asked before they answer at all.
enum class V1Token { kNone, kAskFor };

// The server that somebody named; all others are named by it.
struct V1Home {
  Url url;                             // its path ends in '/'
  Scheme scheme = Scheme::kUndecided;  // an insecure one is spoken to by plain http if it does not speak TLS
  // The same host's, for what is configured of it: TLS, headers, time-outs. Null: HostTrust alone counts.
  std::shared_ptr<const Endpoint> endpoint = {};
};

// Of one operation and one thread. What is given to the constructor must outlive it.
class V1Session {
 public:
  // How `home` is spoken to is settled by its first answer, for good.
  V1Session(HttpClient& http, const RegistryOptions& options, V1Home home, const OperationContext& context,
            base::Logger& logger);

  const Url& home() const { return home_; }
  Url url(const std::string& path, const std::string& query = {}) const;  // below home

  // https, or an insecure registry.
  bool keeps_secrets(const Url& url) const;
  // Whether what `namer` named may be asked: check_named_url, against home as well.
  void check_named(const Url& target, const Url& namer, std::string_view what) const;
  // Basic, of the client's credentials. For home only, if they were given for it and it keeps secrets; else empty. What
  // hosts.toml says goes as it is.
  base::Secret client_authorization() const;

  // One GET, redirects followed; any status. `authorization` and cookies go to the origin that they are for and to no
  // other, the client's own headers to home. Nothing of `authorization` goes out before the scheme is settled: what
  // settles it is asked again then. One try, but for that and the fallback to plain http. TransportError,
  // kPermissionDenied for a redirect that must not be followed, kUnavailable after too many, kDataLoss for a body of
  // more than kMaxV1BodyBytes, kCancelled.
  V1Answer get(Url url, const base::Secret& authorization, V1Token token, const std::stop_token& stop);

 private:
  HttpRequest make_request(const Url& url, const base::Secret& authorization, V1Token token) const;
  HttpResponse exchange(Url& url, const base::Secret& authorization, V1Token token, const std::stop_token& stop);
  HttpResponse settle(Url& url, V1Token token, const std::stop_token& stop);
  HttpResponse perform(const Url& url, const base::Secret& authorization, V1Token token, const std::stop_token& stop);
  void note_answer(const Url& url, const HttpResponse& head);

  HttpClient& http_;
  const RegistryOptions& options_;
  const OperationContext& context_;
  base::Logger& logger_;
  const HostTrust trust_;
  Url home_;
  Scheme scheme_;
  const std::shared_ptr<const Endpoint> endpoint_;
  AddressClass home_class_;  // where connections to it end
  CookieJar cookies_;
};

}  // namespace lighterd::distribution
