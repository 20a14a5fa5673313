// SPDX-License-Identifier: Apache-2.0
#include "distribution/registry_session.hpp"

#include <algorithm>
#include <array>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "distribution/auth_file.hpp"
#include "distribution/header_list.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr int kMaxRedirects = 5;
constexpr int kMaxChallengesLearnt = 2;
// Servers whose clocks differ by a little refuse what was issued just now (A4).
constexpr std::chrono::seconds kFreshTokenAge{1};
constexpr int kMaxFreshTokenPauses = 2;
constexpr std::size_t kMaxAvoided = 8;
constexpr std::size_t kMaxWarnings = 16;
constexpr std::size_t kMaxWarningBytes = 1024;

// The text of `299 - "text"`, unquoted; nothing for other codes, agents, dates (distribution-spec "Warnings").
std::optional<std::string> find_warning_text(std::string_view line) {
  constexpr std::string_view kStart = "299 - \"";
  line = base::trim(line);
  if (!line.starts_with(kStart) || line.size() > 4 * kMaxWarningBytes) return std::nullopt;
  std::string text;
  for (std::size_t i = kStart.size(); i < line.size(); ++i) {
    if (line[i] == '"')
      return i + 1 == line.size() ? std::optional(base::printable(text, kMaxWarningBytes)) : std::nullopt;
    if (line[i] == '\\' && ++i == line.size()) break;
    text += line[i];
  }
  return std::nullopt;
}

bool is_fresh(const Authenticator::Authorization& authorization) {
  return !authorization.was_accepted && std::chrono::steady_clock::now() - authorization.issued < kFreshTokenAge;
}

// No connection, or none that can be used; what breaks off or stalls later says nothing of the next request.
bool is_unreachable(const Error& error) {
  const auto* transport = dynamic_cast<const TransportError*>(&error);
  return transport != nullptr && transport->kind() != TransportFailure::kBroken &&
         transport->kind() != TransportFailure::kMalformed;
}

// Whether the registry has let the request pass, whatever came of it.
bool was_let_in(const Answer& answer) {
  const int status = answer.response.status;
  return status != 401 && status != 403 && status < 500;
}

// The client's are for the registry that it named, wherever that registry's images come from.
AuthConfig credentials_for(const Endpoint& endpoint, const AuthConfig& auth, const std::string& domain,
                           const RegistryOptions& options) {
  const bool is_for_client = endpoint.is_reference_host() && endpoint.keeps_secrets();
  if (is_for_client && auth.is_for(domain) && !auth.is_anonymous()) return auth;
  AuthConfig credentials;
  if (!endpoint.authorization().empty()) {
    credentials.authorization = endpoint.authorization();
  } else if (!options.auth_file.empty()) {
    credentials = find_file_credentials(options.auth_file, endpoint.base().authority(),
                                        endpoint.keeps_secrets() ? KeyScheme::kAny : KeyScheme::kHttp);
  }
  return credentials;
}

}  // namespace

RegistrySession::RegistrySession(HttpClient& http, const RegistryOptions& options, const std::string& domain,
                                 Access access, std::vector<Scope> scopes, OperationContext context,
                                 base::Logger& logger)
    : http_(http),
      logger_(logger),
      options_(options),
      on_retry_(std::move(context.on_retry)),
      scopes_(std::move(scopes)),
      user_agent_(std::move(context.user_agent)),
      extra_headers_(std::move(context.extra_headers)),
      endpoints_(make_endpoints(options, domain, access, logger)) {
  const auto purpose = access == Access::kLogin ? Authenticator::Purpose::kLogin : Authenticator::Purpose::kAccess;
  for (const auto& endpoint : endpoints_) {
    AuthConfig credentials = credentials_for(*endpoint, context.auth, domain, options);
    authenticators_.emplace(endpoint.get(), std::make_unique<Authenticator>(http, std::move(credentials), user_agent_,
                                                                            options.stall_timeout, purpose));
  }
}

Authenticator& RegistrySession::authenticator_for(const Endpoint& endpoint) {
  return *authenticators_.at(&endpoint);
}

std::optional<Challenge> RegistrySession::find_challenge(const Endpoint& endpoint) {
  auto challenges = challenges_.lock();
  const auto found = challenges->find(&endpoint);
  return found == challenges->end() ? std::nullopt : std::optional(found->second);
}

void RegistrySession::remember_challenge(const Endpoint& endpoint, const Challenge& challenge) {
  challenges_.lock()->insert_or_assign(&endpoint, challenge);
}

Endpoint& RegistrySession::last_that_can(Capability capability) const {
  const auto found = std::find_if(endpoints_.rbegin(), endpoints_.rend(),
                                  [&](const auto& endpoint) { return endpoint->can(capability); });
  if (found != endpoints_.rend()) return **found;
  throw Error(ErrorCode::kPermissionDenied, std::string("no host in hosts.toml has the capability to ") +
                                                (capability == Capability::kResolve ? "resolve" : "pull"));
}

// Whether a later one can do all that this one is asked for.
bool RegistrySession::has_successor(const Endpoint& endpoint) const {
  const auto next = [&] {
    return std::next(
        std::find_if(endpoints_.begin(), endpoints_.end(), [&](const auto& each) { return each.get() == &endpoint; }));
  }();
  if (next == endpoints_.end()) return false;
  constexpr std::array kAsked = {Capability::kPull, Capability::kResolve};
  return std::all_of(kAsked.begin(), kAsked.end(), [&](Capability capability) {
    return !endpoint.can(capability) ||
           std::any_of(next, endpoints_.end(), [&](const auto& each) { return each->can(capability); });
  });
}

void RegistrySession::note_mirror_failure(Endpoint& endpoint, const Error& error) {
  if (is_unreachable(error) && !endpoint.has_answered()) endpoint.set_down(true);
  logger_.warn("registry mirror failed, trying the next",
               {{"mirror", endpoint.base().authority()}, {"error", error.text()}});
}

// Whoever tries once more may find a mirror that has come back, and has nobody else where the last one stays away.
void RegistrySession::note_failed_round(const Error& error) {
  if (classify_failure(error) == FailureKind::kFinal) return;
  for (const auto& endpoint : endpoints_) endpoint->set_down(false);
}

// What one request has gone through to be let in. Each of the ways is gone once or twice at most.
struct RegistrySession::Admission {
  std::vector<Scope> scopes;
  int learnt = 0;
  int pauses = 0;
  bool renewed = false;
  bool widened = false;
};

Authenticator::Authorization RegistrySession::authorize(Endpoint& endpoint, const Call& call,
                                                        const std::vector<Scope>& scopes,
                                                        const std::optional<Challenge>& challenge,
                                                        const std::stop_token& stop) {
  const bool is_foreign = call.at && !is_same_origin(*call.at, endpoint.base());
  // Nothing secret goes out before it is known how the registry is spoken to.
  if (is_foreign || endpoint.scheme() == Scheme::kUndecided) return {};
  Authenticator& authenticator = authenticator_for(endpoint);
  Authenticator::Authorization fixed;
  fixed.value = authenticator.fixed_authorization();
  if (!fixed.value.empty() || !challenge) return fixed;
  const Url url = call.at ? *call.at : endpoint.url(call.path, call.query);
  auto authorization =
      authenticator.authorize(*challenge, endpoint, scopes, describe_request(call.method, url.to_string()), stop);
  ++authorizations_;
  return authorization;
}

Answer RegistrySession::call(Endpoint& endpoint, const Call& call, const std::stop_token& stop) {
  Admission admission{.scopes = merge_scopes(scopes_, call.more_scopes)};
  for (;;) {
    const std::optional<Challenge> challenge = find_challenge(endpoint);
    const auto authorization = authorize(endpoint, call, admission.scopes, challenge, stop);
    Answer answer = send(endpoint, call, authorization.value, stop);
    const bool was_sent = !authorization.value.empty();
    const auto next = select_challenge(parse_challenges(answer.response.all_headers("WWW-Authenticate")));
    const bool is_unproven = call.must_authorize && answer.is_success() && !was_sent && next;
    if ((answer.response.status != 401 && !is_unproven) || !is_same_origin(answer.url, endpoint.base())) {
      if (was_sent && challenge && !authorization.was_accepted && was_let_in(answer)) {
        authenticator_for(endpoint).accept(*challenge, admission.scopes, authorization.value);
      }
      return answer;
    }
    // A token that the client gave is never replaced.
    if (was_sent && !authenticator_for(endpoint).fixed_authorization().empty()) return answer;
    if (!was_sent || (challenge && next && next->scheme != challenge->scheme)) {
      if (!learn(endpoint, next, admission)) return answer;
    } else if (!challenge || !next || !improve(endpoint, *challenge, *next, authorization, admission, stop)) {
      return answer;
    }
  }
}

// Whether the next try will carry something else than this one did.
bool RegistrySession::learn(Endpoint& endpoint, const std::optional<Challenge>& next, Admission& admission) {
  if (!next && authenticator_for(endpoint).fixed_authorization().empty()) return false;
  if (++admission.learnt > kMaxChallengesLearnt) return false;
  if (next) remember_challenge(endpoint, *next);
  return true;
}

// After the refusal of a token: whether another try may fare better.
bool RegistrySession::improve(Endpoint& endpoint, const Challenge& challenge, const Challenge& next,
                              const Authenticator::Authorization& authorization, Admission& admission,
                              const std::stop_token& stop) {
  if (next.scheme != "bearer") return false;
  const std::string error = next.parameter("error");
  const bool is_invalid = error == "invalid_token";
  if (is_invalid && admission.pauses < kMaxFreshTokenPauses && is_fresh(authorization)) {
    ++admission.pauses;
    wait_for(options_.fresh_token_pause, stop);
    return true;
  }
  if (!admission.renewed && (is_invalid || (error.empty() && authorization.was_accepted))) {
    admission.renewed = true;
    authenticator_for(endpoint).forget(challenge, admission.scopes, authorization.value);
    return true;
  }
  const std::vector<Scope> named = parse_scopes(next.parameter("scope"));
  if (admission.widened || covers(admission.scopes, named)) return false;
  admission.widened = true;
  remember_challenge(endpoint, next);
  admission.scopes = merge_scopes(std::move(admission.scopes), named);
  return true;
}

HttpRequest RegistrySession::make_request(const Endpoint& endpoint, const Call& call, const Url& url) const {
  const Url registry = endpoint.base();
  const bool is_registry = is_same_origin(url, registry);
  HttpRequest request;
  request.method = call.method;
  request.url = url.to_string();
  request.headers = call.headers;
  request.headers.emplace_back("User-Agent", user_agent_);
  if (is_registry) {
    if (!options_.via.empty()) request.headers.emplace_back("Via", options_.via);
    if (endpoint.is_reference_host()) add_headers(request.headers, extra_headers_);
    add_headers(request.headers, endpoint.headers());
    request.connect_timeout = endpoint.dial_timeout().value_or(request.connect_timeout);
  }
  request.body = call.body;
  request.total_timeout = call.total_timeout;
  request.stall_timeout = options_.stall_timeout;
  request.answer_timeout = options_.stall_timeout * call.answer_patience;
  request.on_wait = call.on_wait ? call.on_wait : on_retry_;
  // Who waits for it could ask the next one meanwhile.
  request.patience = has_successor(endpoint) ? std::chrono::milliseconds(0) : options_.retry.longest_pause;
  request.tls = endpoint.tls_for(url);
  request.reach = reach_of_named_url(url, registry, endpoint.address_class());
  return request;
}

Answer RegistrySession::send(Endpoint& endpoint, const Call& call, const base::Secret& authorization,
                             const std::stop_token& stop) {
  // Read before the URL is made of it: another request may settle it at any time, and the fallback must not be lost.
  const bool is_undecided = endpoint.scheme() == Scheme::kUndecided;
  Url url = call.at ? *call.at : endpoint.url(call.path, call.query);
  std::string description = describe_request(call.method, url.to_string());
  HttpRequest request = make_request(endpoint, call, url);
  request.authorization = authorization;
  for (int hop = 0;; ++hop) {
    HttpResponse response = hop == 0 && is_undecided ? exchange_undecided(endpoint, call, request, url, stop)
                                                     : exchange(endpoint, call, request, stop);
    logger_.debug("registry request", {{"request", describe_request(request.method, request.url)},
                                       {"status", std::to_string(response.status)}});
    if (!is_redirect(response)) {
      const bool is_elsewhere = !is_same_origin(url, endpoint.base());
      return {std::move(response), std::move(url), std::move(description), is_elsewhere};
    }
    if (hop == kMaxRedirects) {
      throw Error(ErrorCode::kUnavailable, description + ": stopped after " + std::to_string(hop) + " redirects");
    }
    Url next = resolve_url(url, *response.find_header("Location"));
    check_named_url(next, url, "redirect to");
    check_named_url(next, endpoint.base(), "redirect to");
    const base::Secret kept = is_same_origin(next, url) ? request.authorization : base::Secret();
    // What was not sent is not taken for sent.
    const bool is_upload = request.method == "PUT" || request.method == "PATCH";
    const bool becomes_get = response.status == 303 && request.method != "HEAD" && !is_upload;
    url = std::move(next);
    HttpRequest following = make_request(endpoint, call, url);
    following.authorization = kept;
    following.method = request.method;
    following.body = request.body;
    if (becomes_get) {
      following.method = "GET";
      following.body.reset();
    }
    request = std::move(following);
  }
}

// The same request over http once, if the peer does not speak TLS; only for registries that may be insecure.
HttpResponse RegistrySession::exchange_undecided(Endpoint& endpoint, const Call& call, HttpRequest& request, Url& url,
                                                 const std::stop_token& stop) {
  try {
    return exchange(endpoint, call, request, stop);
  } catch (const TransportError& error) {
    if (!may_speak_plain_http(error, url) || endpoint.scheme() == Scheme::kHttps) throw;
    Url plain = with_plain_http(url);
    HttpRequest again = request;
    again.url = plain.to_string();
    try {
      HttpResponse response = exchange(endpoint, call, again, stop);
      request = std::move(again);
      url = std::move(plain);
      return response;
    } catch (const TransportError&) {
      // That there is nothing at port 80 either explains less.
      if (error.kind() != TransportFailure::kTls) throw error;
      throw;
    }
  }
}

HttpResponse RegistrySession::exchange(Endpoint& endpoint, const Call& call, HttpRequest& request,
                                       const std::stop_token& stop) {
  HttpResponse head;
  RefusalSink refusal;
  const OnHead on_head = [&](const HttpResponse& response) -> base::Sink* {
    head = response;
    note_warnings(response);
    // Whatever comes after a head, that scheme is spoken.
    if (endpoint.scheme() == Scheme::kUndecided) {
      endpoint.settle(request.url.starts_with("https:") ? Scheme::kHttps : Scheme::kHttp);
    }
    if (is_same_origin(parse_url(request.url), endpoint.base())) endpoint.note_answer();
    if (response.status < 200 || response.status > 299) return &refusal;
    return call.on_success ? call.on_success(response) : nullptr;
  };
  HttpResponse response;
  try {
    response = perform(request, on_head, call.max_body_bytes, stop);
  } catch (const RefusalSink::Full&) {
    response = std::move(head);
  }
  if (response.status < 200 || response.status > 299) response.body = refusal.take();
  if (response.peer && request.reach == AddressClass::kSpecial) {
    endpoint.set_address_class(response.peer->address_class());
  }
  return response;
}

// Another address of the host gets its turn after one that stalled or broke off, while there are others.
HttpResponse RegistrySession::perform(const HttpRequest& request, const OnHead& on_head, std::size_t max_body_bytes,
                                      const std::stop_token& stop) {
  HttpRequest careful = request;
  careful.avoid = *avoided_.lock();
  try {
    try {
      return http_.perform(careful, on_head, max_body_bytes, stop);
    } catch (const TransportError& error) {
      if (error.kind() != TransportFailure::kConnect || careful.avoid.empty()) throw;
    }
    avoided_.lock()->clear();
    return http_.perform(request, on_head, max_body_bytes, stop);
  } catch (const TransportError& error) {
    const bool is_sick = error.kind() == TransportFailure::kTimeout || error.kind() == TransportFailure::kBroken;
    if (is_sick && error.peer()) {
      auto avoided = avoided_.lock();
      if (avoided->size() < kMaxAvoided) avoided->push_back(*error.peer());
    }
    throw;
  }
}

void RegistrySession::note_warnings(const HttpResponse& head) {
  for (const std::string& line : head.all_headers("Warning")) {
    const auto text = find_warning_text(line);
    if (!text) continue;
    auto warnings = warnings_.lock();
    const bool known = std::find(warnings->all.begin(), warnings->all.end(), *text) != warnings->all.end();
    if (!known && warnings->all.size() < kMaxWarnings) warnings->all.push_back(*text);
  }
}

std::vector<std::string> RegistrySession::take_warnings() {
  auto warnings = warnings_.lock();
  std::vector<std::string> fresh(warnings->all.begin() + static_cast<std::ptrdiff_t>(warnings->taken),
                                 warnings->all.end());
  warnings->taken = warnings->all.size();
  return fresh;
}

}  // namespace lighterd::distribution
