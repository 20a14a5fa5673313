// SPDX-License-Identifier: Apache-2.0
#include "distribution/search_client.hpp"

#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "distribution/v1_session.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;

namespace {

constexpr base::JsonLimits kLimits = {.max_bytes = kMaxV1BodyBytes, .max_depth = 16, .max_values = 100'000};

// As one operation sees it.
V1Session make_session(DistributionServices& services, const Url& base, Scheme scheme,
                       const OperationContext& context) {
  return V1Session(services.http, services.registries, {.url = base, .scheme = scheme}, context, services.logger);
}

// Any answer will do: whoever speaks HTTP there may still refuse to search.
void ping(V1Session& session, const std::stop_token& stop) {
  const std::string endpoint = session.home().to_string();
  try {
    (void)session.get(session.url("_ping"), {}, V1Token::kAskFor, stop);
  } catch (const TransportError& error) {
    throw Error(ErrorCode::kInvalidArgument, "invalid registry endpoint " + endpoint + ": " + error.text());
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

std::vector<FoundRepository> find_repositories(V1Session& session, const std::string& term, int limit,
                                               const std::stop_token& stop) {
  const Url url = session.url("search", "q=" + base::percent_encode(term) + "&n=" + std::to_string(limit));
  const HttpResponse response = session.get(url, session.client_authorization(), V1Token::kAskFor, stop).response;
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
    if (parsed.registry.empty()) {
      V1Session index = make_session(services_, index_, index_.is_https() ? Scheme::kHttps : Scheme::kHttp, context);
      return find_repositories(index, parsed.words, limit, stop);
    }
    const Url base = parse_url("https://" + parsed.registry + "/v1/");
    V1Session registry = make_session(services_, base, Scheme::kUndecided, context);
    ping(registry, stop);
    return find_repositories(registry, parsed.words, limit, stop);
  } catch (const TransportError& error) {
    throw Error(ErrorCode::kInternal, error.text());
  }
}

}  // namespace lighterd::distribution
