// SPDX-License-Identifier: Apache-2.0
#include "distribution/v1_session.hpp"

#include <utility>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "distribution/header_list.hpp"
#include "distribution/refusal_sink.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;

namespace {

constexpr int kMaxRedirects = 5;
constexpr int kWholeTimeouts = 6;  // stall timeouts

// Docker's words; the kind is that of what came further.
TransportError both_failed(const TransportError& https, const TransportError& http) {
  const TransportError& further = http.kind() == TransportFailure::kConnect ? https : http;
  TransportError error(further.kind(), further.code(),
                       "HTTPS attempt: " + https.text() + ". HTTP attempt: " + http.text());
  if (https.is_known_host() || http.is_known_host()) error.set_known_host();
  return error;
}

}  // namespace

V1Session::V1Session(HttpClient& http, const RegistryOptions& options, V1Home home, const OperationContext& context,
                     base::Logger& logger)
    : http_(http),
      options_(options),
      context_(context),
      logger_(logger),
      trust_(InsecureRegistries(options.insecure_registries), CertsDirectories(options.certs_roots)),
      home_(std::move(home.url)),
      scheme_(home.scheme),
      endpoint_(std::move(home.endpoint)),
      home_class_(AddressClass::kPublic) {
  if (const auto literal = find_ip_address(home_.host)) home_class_ = literal->address_class();
  const bool may_be_plain = trust_.settings_for(home_).verification == TlsVerification::kOff;
  if (scheme_ == Scheme::kUndecided && !may_be_plain) scheme_ = Scheme::kHttps;
}

Url V1Session::url(const std::string& path, const std::string& query) const {
  Url url = home_;
  url.path += path;
  if (!query.empty()) url.query = query;
  return url;
}

bool V1Session::keeps_secrets(const Url& url) const {
  return url.is_https() || trust_.settings_for(url).verification == TlsVerification::kOff;
}

void V1Session::check_named(const Url& target, const Url& namer, std::string_view what) const {
  check_named_url(target, namer, what);
  check_named_url(target, home_, what);
}

base::Secret V1Session::client_authorization() const {
  const AuthConfig& auth = context_.auth;
  if (!auth.authorization.empty()) return auth.authorization;
  const bool is_usable = !auth.username.empty() && !auth.password.empty() && auth.is_for(home_.authority());
  if (!is_usable || !keeps_secrets(home_)) return {};
  return base::Secret("Basic " + base::base64_encode(auth.username + ":" + auth.password.reveal()));
}

V1Answer V1Session::get(Url url, const base::Secret& authorization, V1Token token, const std::stop_token& stop) {
  std::string description = describe_request("GET", url.to_string());
  base::Secret allowed = authorization;
  for (int hop = 0;; ++hop) {
    HttpResponse response = exchange(url, allowed, token, stop);
    if (!is_redirect(response)) return {std::move(response), std::move(url), std::move(description)};
    if (hop == kMaxRedirects) {
      throw Error(ErrorCode::kUnavailable, description + ": stopped after " + std::to_string(hop) + " redirects");
    }
    Url next = resolve_url(url, *response.find_header("Location"));
    check_named(next, url, "redirect to");
    if (!is_same_origin(next, url)) allowed = {};
    url = std::move(next);
  }
}

HttpRequest V1Session::make_request(const Url& url, const base::Secret& authorization, V1Token token) const {
  HttpRequest request;
  request.url = url.to_string();
  request.headers = {{"User-Agent", context_.user_agent}, {"Accept", "application/json"}};
  if (token == V1Token::kAskFor) request.headers.emplace_back("X-Docker-Token", "true");
  if (is_same_origin(url, home_)) {
    add_headers(request.headers, context_.extra_headers);
    if (endpoint_) {
      add_headers(request.headers, endpoint_->headers());
      request.connect_timeout = endpoint_->dial_timeout().value_or(request.connect_timeout);
    }
  }
  request.authorization = authorization;
  request.cookies = cookies_.cookies_for(url);
  request.tls = endpoint_ ? endpoint_->tls_for(url) : std::make_shared<const TlsSettings>(trust_.settings_for(url));
  request.stall_timeout = options_.stall_timeout;
  request.total_timeout = kWholeTimeouts * options_.stall_timeout;
  request.patience = options_.retry.longest_pause;
  request.on_wait = context_.on_retry;
  request.reach = reach_of_named_url(url, home_, home_class_);
  return request;
}

HttpResponse V1Session::exchange(Url& url, const base::Secret& authorization, V1Token token,
                                 const std::stop_token& stop) {
  if (scheme_ == Scheme::kUndecided) {
    HttpResponse response = settle(url, token, stop);
    if (authorization.empty()) return response;
  }
  return perform(url, authorization, token, stop);
}

// The same over plain http once, and for good if that is answered. Nothing has been answered before, so `url` is
// home's.
HttpResponse V1Session::settle(Url& url, V1Token token, const std::stop_token& stop) {
  try {
    return perform(url, {}, token, stop);
  } catch (const TransportError& error) {
    if (scheme_ != Scheme::kUndecided || !url.is_https() || !may_speak_plain_http(error, url)) throw;
    const Url secure = std::exchange(home_, with_plain_http(home_));
    try {
      HttpResponse response = perform(with_plain_http(url), {}, token, stop);
      url = with_plain_http(url);
      return response;
    } catch (const TransportError& second) {
      if (scheme_ == Scheme::kUndecided) home_ = secure;
      throw both_failed(error, second);
    }
  }
}

HttpResponse V1Session::perform(const Url& url, const base::Secret& authorization, V1Token token,
                                const std::stop_token& stop) {
  HttpResponse head;
  RefusalSink refusal;
  const OnHead on_head = [&](const HttpResponse& response) -> base::Sink* {
    head = response;
    note_answer(url, response);
    return response.status >= 200 && response.status < 300 ? nullptr : &refusal;
  };
  const HttpRequest request = make_request(url, authorization, token);
  HttpResponse response;
  try {
    response = http_.perform(request, on_head, kMaxV1BodyBytes, stop);
  } catch (const RefusalSink::Full&) {
    response = std::move(head);
  }
  if (response.status < 200 || response.status > 299) response.body = refusal.take();
  logger_.debug("v1 request", {{"request", describe_request(request.method, request.url)},
                               {"status", std::to_string(response.status)}});
  return response;
}

void V1Session::note_answer(const Url& url, const HttpResponse& head) {
  cookies_.keep(url, head);
  if (!is_same_origin(url, home_)) return;
  // Whatever comes after a head, that scheme is spoken.
  if (scheme_ == Scheme::kUndecided) scheme_ = url.is_https() ? Scheme::kHttps : Scheme::kHttp;
  if (head.peer) home_class_ = head.peer->address_class();
}

}  // namespace lighterd::distribution
