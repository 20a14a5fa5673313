// SPDX-License-Identifier: Apache-2.0
#include "distribution/search_client.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "distribution/host_trust.hpp"
#include "distribution/registry_endpoint.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::size_t kMaxBodyBytes = std::size_t{4} * 1024 * 1024;
constexpr base::JsonLimits kLimits = {.max_bytes = kMaxBodyBytes, .max_depth = 16, .max_values = 100'000};
constexpr int kMaxRedirects = 5;
constexpr int kWholeTimeouts = 6;  // stall timeouts

// One v1 API, as one operation sees it.
class Index {
 public:
  Index(DistributionServices& services, Url base, const OperationContext& context, const std::stop_token& stop)
      : services_(services),
        trust_(InsecureRegistries(services.registries.insecure_registries),
               CertsDirectories(services.registries.certs_roots)),
        base_(std::move(base)),
        context_(context),
        stop_(stop) {}

  // Whether it is there, and whether it is spoken to by plain http.
  void ping();
  std::vector<FoundRepository> search(const std::string& term, int limit);

 private:
  bool is_insecure() const { return trust_.settings_for(base_).verification == TlsVerification::kOff; }
  base::Secret authorization() const;
  HttpRequest make_request(const Url& url, const base::Secret& authorization) const;
  HttpResponse get(const std::string& path, const std::string& query, const base::Secret& authorization);

  DistributionServices& services_;
  const HostTrust trust_;
  Url base_;
  const OperationContext& context_;
  const std::stop_token& stop_;
};

// Over TLS, or where the operator said that plain http will do.
base::Secret Index::authorization() const {
  const AuthConfig& auth = context_.auth;
  const bool is_safe = base_.is_https() || is_insecure();
  if (auth.username.empty() || auth.password.empty() || !is_safe || !auth.is_for(base_.authority())) return {};
  return base::Secret("Basic " + base::base64_encode(auth.username + ":" + auth.password.reveal()));
}

HttpRequest Index::make_request(const Url& url, const base::Secret& authorization) const {
  HttpRequest request;
  request.url = url.to_string();
  request.headers = {{"User-Agent", context_.user_agent}, {"Accept", "application/json"}, {"X-Docker-Token", "true"}};
  if (is_same_origin(url, base_))
    request.headers.insert(request.headers.end(), context_.extra_headers.begin(), context_.extra_headers.end());
  request.authorization = authorization;
  request.tls = std::make_shared<const TlsSettings>(trust_.settings_for(url));
  request.stall_timeout = services_.registries.stall_timeout;
  request.total_timeout = kWholeTimeouts * services_.registries.stall_timeout;
  const auto literal = find_ip_address(base_.host);
  request.reach = reach_of_named_url(url, base_, literal ? literal->address_class() : AddressClass::kPublic);
  return request;
}

HttpResponse Index::get(const std::string& path, const std::string& query, const base::Secret& authorization) {
  Url url = base_;
  url.path += path;
  if (!query.empty()) url.query = query;
  base::Secret allowed = authorization;
  for (int hop = 0;; ++hop) {
    HttpResponse response = services_.http.perform(make_request(url, allowed), nullptr, kMaxBodyBytes, stop_);
    if (!is_redirect(response)) return response;
    if (hop == kMaxRedirects) throw Error(ErrorCode::kInternal, "search: stopped after 5 redirects");
    const Url next = resolve_url(url, *response.find_header("Location"));
    check_named_url(next, url, "redirect to");
    check_named_url(next, base_, "redirect to");
    if (!is_same_origin(next, url)) allowed = {};
    url = next;
  }
}

// Any answer will do: whoever speaks HTTP there may still refuse to search.
void Index::ping() {
  try {
    (void)get("_ping", {}, {});
  } catch (const TransportError& error) {
    const std::string endpoint = "invalid registry endpoint " + base_.to_string() + ": ";
    if (!is_insecure() || !base_.is_https()) throw Error(ErrorCode::kInvalidArgument, endpoint + error.text());
    base_ = with_plain_http(base_);
    try {
      (void)get("_ping", {}, {});
    } catch (const TransportError& second) {
      throw Error(ErrorCode::kInvalidArgument,
                  endpoint + "HTTPS attempt: " + error.text() + ". HTTP attempt: " + second.text());
    }
  }
}

std::string text_of(const base::Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// A hit without a name is none; other members of a wrong type count as missing.
std::vector<FoundRepository> parse_results(const std::string& body, int limit) {
  const base::Json json = base::parse_json(body, "search result", kLimits);
  std::vector<FoundRepository> found;
  const auto results = json.is_object() ? json.find("results") : json.end();
  if (results == json.end() || !results->is_array()) return found;
  for (const base::Json& item : *results) {
    if (found.size() == static_cast<std::size_t>(limit)) break;
    if (!item.is_object() || text_of(item, "name").empty()) continue;
    FoundRepository repository{.name = text_of(item, "name"), .description = text_of(item, "description")};
    const auto stars = item.find("star_count");
    if (stars != item.end() && stars->is_number_integer()) repository.stars = stars->get<std::int64_t>();
    const auto official = item.find("is_official");
    repository.is_official = official != item.end() && official->is_boolean() && official->get<bool>();
    found.push_back(std::move(repository));
  }
  return found;
}

std::vector<FoundRepository> Index::search(const std::string& term, int limit) {
  const std::string query = "q=" + base::percent_encode(term) + "&n=" + std::to_string(limit);
  const HttpResponse response = get("search", query, authorization());
  if (response.status != 200)
    throw Error(ErrorCode::kInternal, "unexpected status code " + std::to_string(response.status));
  try {
    return parse_results(response.body, limit);
  } catch (const Error& error) {
    throw Error(ErrorCode::kInternal, error.text());
  }
}

struct Term {
  std::string registry;  // empty: the index
  std::string words;
};

Term split_term(const std::string& text) {
  const std::size_t slash = text.find('/');
  const std::string first = text.substr(0, slash);
  const bool names_host =
      slash != std::string::npos && (first.find_first_of(".:") != std::string::npos || first == "localhost");
  if (names_host && registry_of_address(first) != "docker.io") return {first, text.substr(slash + 1)};
  std::string words = names_host ? text.substr(slash + 1) : text;
  constexpr std::string_view kOfficial = "library/";
  if (words.starts_with(kOfficial)) words.erase(0, kOfficial.size());
  return {{}, std::move(words)};
}

Url parse_index(const std::string& text) {
  try {
    Url url = parse_url(text);
    if (!url.path.ends_with('/')) url.path += '/';
    return url;
  } catch (Error& error) {
    error.add_context("search index \"" + redact_url(text) + "\"");
    throw;
  }
}

}  // namespace

SearchClient::SearchClient(DistributionServices services, const std::string& index)
    : services_(services), index_(parse_index(index)) {}

std::vector<FoundRepository> SearchClient::search(const std::string& term, int limit, const OperationContext& context,
                                                  const std::stop_token& stop) {
  if (term.find("://") != std::string::npos)
    throw Error(ErrorCode::kInvalidArgument, "invalid repository name: repository name (" + base::printable(term, 256) +
                                                 ") should not have a scheme");
  const Term parsed = split_term(term);
  try {
    if (parsed.registry.empty()) return Index(services_, index_, context, stop).search(parsed.words, limit);
    Index registry(services_, parse_url("https://" + parsed.registry + "/v1/"), context, stop);
    registry.ping();
    return registry.search(parsed.words, limit);
  } catch (const TransportError& error) {
    throw Error(ErrorCode::kInternal, error.text());
  }
}

}  // namespace lighterd::distribution
