// SPDX-License-Identifier: Apache-2.0
#include "distribution/v1_registry.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "base/secret.hpp"
#include "distribution/auth_file.hpp"
#include "distribution/retry.hpp"
#include "distribution/v1_session.hpp"
#include "oci/digest.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::string_view kHubHost = "index.docker.io";
constexpr std::string_view kBasePath = "/v1/";
constexpr std::size_t kMaxTags = 100'000;
constexpr std::size_t kMaxEndpoints = 16;  // that are looked at
constexpr base::JsonLimits kTagLimits = {.max_bytes = kMaxV1BodyBytes, .max_depth = 8, .max_values = 4 * kMaxTags};
constexpr base::JsonLimits kImageLimits = {.max_bytes = kMaxV1BodyBytes, .max_depth = 64, .max_values = 100'000};

V1Home make_home(const RegistryOptions& options, const std::string& domain, base::Logger& logger) {
  const bool is_hub = registry_of_address(domain) == "docker.io";
  V1Home home;
  home.url = parse_url("https://" + (is_hub ? std::string(kHubHost) : domain) + std::string(kBasePath));
  // Its /v2/ is another host's.
  if (is_hub) return home;
  auto endpoints = make_endpoints(options, domain, Access::kPull, logger);
  if (!endpoints.back()->is_reference_host()) return home;
  home.endpoint = std::move(endpoints.back());
  home.scheme = home.endpoint->scheme();
  if (home.scheme == Scheme::kHttp) home.url = with_plain_http(home.url);
  return home;
}

// The client's, or else those that the daemon has itself (V1Session sends them where they are safe).
OperationContext with_credentials(OperationContext context, const RegistryOptions& options, const V1Home& home) {
  const std::string registry = home.url.authority();
  if (!context.auth.is_anonymous() && context.auth.is_for(registry)) return context;
  if (home.endpoint && !home.endpoint->authorization().empty()) {
    context.auth = {};
    context.auth.authorization = home.endpoint->authorization();
  } else if (!options.auth_file.empty()) {
    context.auth = find_file_credentials(options.auth_file, registry);
  }
  return context;
}

std::string origin_of(const Url& url) {
  return url.scheme + "://" + url.authority();
}

Url base_at(Url url) {
  url.path = kBasePath;
  url.query.reset();
  return url;
}

// What goes into a path is hexadecimal digits and nothing else.
void check_image_id(const std::string& id) {
  if (oci::find_digest("sha256:" + id)) return;
  throw Error(ErrorCode::kInvalidArgument,
              "invalid image ID \"" + base::printable(id, 128) + "\": it is not 64 hexadecimal digits");
}

std::string joined(const HttpResponse& response, std::string_view name) {
  std::string text;
  for (const std::string& value : response.all_headers(name)) text += (text.empty() ? "" : ",") + value;
  return text;
}

// The hosts of X-Docker-Endpoints.
std::vector<std::string> endpoints_of(const HttpResponse& response) {
  const std::string text = joined(response, "X-Docker-Endpoints");
  std::vector<std::string> hosts;
  std::string_view rest = text;
  while (!rest.empty() && hosts.size() < kMaxEndpoints) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    if (!base::trim(item).empty()) hosts.emplace_back(base::trim(item));
  }
  return hosts;
}

using Tags = std::map<std::string, std::string>;

// A name that cannot be asked for is of no use to anybody, nor is one that stands for nothing.
void add_tag(Tags& tags, const std::string& name, const base::Json& id) {
  if (id.is_string() && oci::is_valid_tag(name)) tags.insert_or_assign(name, id.get<std::string>());
}

// {"latest": "<ID>"}, and [{"name": "latest", "layer": "<ID>"}] as Hub once had it.
Tags parse_tags(const std::string& body) {
  const base::Json json = base::parse_json(body, "tag list", kTagLimits);
  if (!json.is_structured()) throw Error(ErrorCode::kInvalidArgument, "tag list: neither an object nor an array");
  if (json.size() > kMaxTags) throw Error(ErrorCode::kInvalidArgument, "more than 100000 tags");
  Tags tags;
  if (json.is_object()) {
    for (const auto& [name, id] : json.items()) add_tag(tags, name, id);
    return tags;
  }
  for (const base::Json& item : json) {
    if (!item.is_object() || !item.contains("name") || !item.contains("layer")) continue;
    if (item["name"].is_string()) add_tag(tags, item["name"].get<std::string>(), item["layer"]);
  }
  return tags;
}

std::string parse_tag(const std::string& body) {
  const base::Json json = base::parse_json(body, "tag", kTagLimits);
  if (!json.is_string()) throw Error(ErrorCode::kInvalidArgument, "tag: not a string");
  return json.get<std::string>();
}

void check_image(const std::string& body) {
  if (!base::parse_json(body, "image", kImageLimits).is_object())
    throw Error(ErrorCode::kInvalidArgument, "image: not an object");
}

}  // namespace

class V1Registry::Session {
 public:
  Session(HttpClient& http, const RegistryOptions& options, const oci::RepositoryName& repository,
          const OperationContext& context, base::Logger& logger)
      : Session(http, options, make_home(options, repository.domain(), logger), repository, context, logger) {}

  std::string name() const { return repository_.familiar(); }
  Tags list_tags(const std::stop_token& stop);
  std::optional<std::string> find_image_id(const std::string& tag, const std::stop_token& stop);
  // `tag`: by which it was asked for; may be empty.
  V1Image get_image(const std::string& id, const std::string& tag, const std::stop_token& stop);

 private:
  Session(HttpClient& http, const RegistryOptions& options, V1Home home, const oci::RepositoryName& repository,
          const OperationContext& context, base::Logger& logger)
      : options_(options),
        repository_(repository),
        context_(with_credentials(context, options, home)),
        session_(http, options, std::move(home), context_, logger) {}

  // Where the images are, and with what token: asked once.
  void open(const std::stop_token& stop);
  Url choose_endpoint(const V1Answer& answer) const;
  Url make_endpoint(const std::string& host, const Url& namer) const;
  base::Secret authorization_for(const Url& url) const;
  V1Answer call(const std::string& path, const std::stop_token& stop);
  V1Answer call_once(const std::string& path, const std::stop_token& stop);
  Url url_of(const std::string& path) const;

  const RegistryOptions& options_;
  const oci::RepositoryName repository_;
  const OperationContext context_;
  V1Session session_;
  std::optional<Url> endpoint_;  // none: not open
  base::Secret token_;           // whole value of the Authorization header, for the endpoint; may be empty
};

void V1Registry::Session::open(const std::stop_token& stop) {
  if (endpoint_) return;
  const V1Answer answer = call("repositories/" + repository_.path() + "/images", stop);
  if (!answer.is_success()) throw repository_not_found(name());
  Url endpoint = choose_endpoint(answer);
  const std::string token = joined(answer.response, "X-Docker-Token");
  if (!token.empty()) token_ = base::Secret("Token " + token);
  endpoint_ = std::move(endpoint);
}

// The first that may be asked; without any the server that answered, wherever a redirect led.
Url V1Registry::Session::choose_endpoint(const V1Answer& answer) const {
  const std::vector<std::string> hosts = endpoints_of(answer.response);
  if (hosts.empty()) return base_at(answer.url);
  std::optional<Error> refusal;
  for (const std::string& host : hosts) {
    try {
      return make_endpoint(host, answer.url);
    } catch (const Error& error) {
      if (!refusal) refusal = error;
    }
  }
  throw Error(*refusal);
}

Url V1Registry::Session::make_endpoint(const std::string& host, const Url& namer) const {
  if (host.find_first_of("/?#") != std::string::npos)
    throw Error(ErrorCode::kInvalidArgument, "invalid endpoint \"" + redact_url(host) + "\": it is not a host");
  Url url = parse_url(namer.scheme + "://" + host + std::string(kBasePath));
  session_.check_named(url, namer, "endpoint");
  if (!session_.keeps_secrets(url))
    throw Error(ErrorCode::kPermissionDenied,
                "refusing endpoint \"" + origin_of(url) + "\": the token would be sent by plain http");
  return url;
}

Url V1Registry::Session::url_of(const std::string& path) const {
  if (!endpoint_) return session_.url(path);
  Url url = *endpoint_;
  url.path += path;
  return url;
}

// The token is the endpoint's; registries that give none may want the password with every request.
base::Secret V1Registry::Session::authorization_for(const Url& url) const {
  if (endpoint_ && !token_.empty()) return session_.keeps_secrets(url) ? token_ : base::Secret();
  return is_same_origin(url, session_.home()) ? session_.client_authorization() : base::Secret();
}

// 200 or 404; whatever else comes is thrown.
V1Answer V1Registry::Session::call_once(const std::string& path, const std::stop_token& stop) {
  const Url url = url_of(path);
  V1Answer answer = session_.get(url, authorization_for(url), endpoint_ ? V1Token::kNone : V1Token::kAskFor, stop);
  if (answer.response.status != 200 && answer.response.status != 404) throw answer.error();
  return answer;
}

V1Answer V1Registry::Session::call(const std::string& path, const std::stop_token& stop) {
  try {
    RetryLoop loop(options_.retry, context_.on_retry);
    for (;;) {
      try {
        return call_once(path, stop);
      } catch (const Error& error) {
        loop.wait_or_rethrow(error, stop);
      }
    }
  } catch (const TransportError& error) {
    if (error.kind() != TransportFailure::kConnect) throw;
    throw RemoteError(Missing::kRegistry, registry_not_found(origin_of(url_of(path))).text() + ": " + error.text());
  }
}

Tags V1Registry::Session::list_tags(const std::stop_token& stop) {
  open(stop);
  const V1Answer answer = call("repositories/" + repository_.path() + "/tags", stop);
  if (!answer.is_success()) throw repository_not_found(name());
  return parse_tags(answer.response.body);
}

std::optional<std::string> V1Registry::Session::find_image_id(const std::string& tag, const std::stop_token& stop) {
  if (!oci::is_valid_tag(tag)) throw Error(ErrorCode::kInvalidArgument, "invalid tag format");
  open(stop);
  const V1Answer answer = call("repositories/" + repository_.path() + "/tags/" + tag, stop);
  if (answer.is_success()) return parse_tag(answer.response.body);
  // Some servers have nothing below the list.
  const Tags tags = list_tags(stop);
  const auto found = tags.find(tag);
  return found == tags.end() ? std::nullopt : std::optional(found->second);
}

V1Image V1Registry::Session::get_image(const std::string& id, const std::string& tag, const std::stop_token& stop) {
  check_image_id(id);
  open(stop);
  V1Answer answer = call("images/" + id + "/json", stop);
  if (!answer.is_success()) throw image_not_found(name(), id, tag);
  check_image(answer.response.body);
  return {.id = id, .json = std::move(answer.response.body)};
}

V1Registry::V1Registry(HttpClient& http, const RegistryOptions& options, const oci::RepositoryName& repository,
                       const OperationContext& context, base::Logger& logger)
    : session_(std::make_unique<Session>(http, options, repository, context, logger)) {}
V1Registry::~V1Registry() = default;

std::map<std::string, std::string> V1Registry::list_tags(std::stop_token stop) {
  return session_->list_tags(stop);
}

V1Image V1Registry::get_image_by_tag(const std::string& tag, TagChoice choice, std::stop_token stop) {
  const auto id = session_->find_image_id(tag, stop);
  if (!id) throw tag_not_found(session_->name(), tag, choice);
  return session_->get_image(*id, tag, stop);
}

V1Image V1Registry::get_image(const std::string& id, std::stop_token stop) {
  return session_->get_image(id, {}, stop);
}

}  // namespace lighterd::distribution
