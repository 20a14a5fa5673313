// SPDX-License-Identifier: Apache-2.0
#include "distribution/registry_error.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <iomanip>
#include <locale>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/encoding.hpp"
#include "base/json.hpp"
#include "distribution/auth_challenge.hpp"

namespace lighterd::distribution {
namespace {

using base::ErrorCode;

constexpr std::size_t kMaxTextBytes = 1024;
constexpr std::chrono::seconds kLongestRetryAfter{24 * 3600};

struct KnownCode {
  std::string_view name;
  ErrorCode code;
  std::string_view message;  // the standard one (distribution, api/errcode)
};

constexpr std::array<KnownCode, 19> kKnownCodes = {{
    {"UNSUPPORTED", ErrorCode::kInvalidArgument, "The operation is unsupported."},
    {"UNAUTHORIZED", ErrorCode::kUnauthenticated, "authentication required"},
    {"DENIED", ErrorCode::kPermissionDenied, "requested access to the resource is denied"},
    {"UNAVAILABLE", ErrorCode::kUnavailable, "service unavailable"},
    {"TOOMANYREQUESTS", ErrorCode::kResourceExhausted, "too many requests"},
    {"DIGEST_INVALID", ErrorCode::kInvalidArgument, "provided digest did not match uploaded content"},
    {"SIZE_INVALID", ErrorCode::kInvalidArgument, "provided length did not match content length"},
    {"RANGE_INVALID", ErrorCode::kInvalidArgument, "invalid content range"},
    {"NAME_INVALID", ErrorCode::kInvalidArgument, "invalid repository name"},
    {"TAG_INVALID", ErrorCode::kInvalidArgument, "manifest tag did not match URI"},
    {"NAME_UNKNOWN", ErrorCode::kNotFound, "repository name not known to registry"},
    {"MANIFEST_UNKNOWN", ErrorCode::kNotFound, "manifest unknown"},
    {"MANIFEST_INVALID", ErrorCode::kInvalidArgument, "manifest invalid"},
    {"MANIFEST_UNVERIFIED", ErrorCode::kInvalidArgument, "manifest failed signature verification"},
    {"MANIFEST_BLOB_UNKNOWN", ErrorCode::kInvalidArgument, "blob unknown to registry"},
    {"BLOB_UNKNOWN", ErrorCode::kNotFound, "blob unknown to registry"},
    {"BLOB_UPLOAD_UNKNOWN", ErrorCode::kNotFound, "blob upload unknown to registry"},
    {"BLOB_UPLOAD_INVALID", ErrorCode::kNotFound, "blob upload invalid"},
    {"PAGINATION_NUMBER_INVALID", ErrorCode::kInvalidArgument, "invalid number of results requested"},
}};

const KnownCode* find_known(std::string_view name) {
  const auto found =
      std::find_if(kKnownCodes.begin(), kKnownCodes.end(), [&](const auto& k) { return k.name == name; });
  return found == kKnownCodes.end() ? nullptr : &*found;
}

ErrorCode code_of_status(int status) {
  switch (status) {
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 405:
      return ErrorCode::kInvalidArgument;
    case 408:
      return ErrorCode::kUnavailable;
    case 409:
      return ErrorCode::kConflict;
    case 429:
      return ErrorCode::kResourceExhausted;
    default:
      return status >= 400 && status < 500 ? ErrorCode::kInvalidArgument : ErrorCode::kInternal;
  }
}

std::string_view reason_of_status(int status) {
  static constexpr std::array<std::pair<int, std::string_view>, 25> kReasons = {{
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {402, "Payment Required"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {413, "Request Entity Too Large"},
      {415, "Unsupported Media Type"},
      {416, "Requested Range Not Satisfiable"},
      {429, "Too Many Requests"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
  }};
  for (const auto& [number, reason] : kReasons) {
    if (number == status) return reason;
  }
  return {};
}

}  // namespace

std::string status_text(int status) {
  const std::string_view reason = reason_of_status(status);
  return std::to_string(status) + (reason.empty() ? "" : " " + std::string(reason));
}

namespace {

struct Refusal {
  std::string code;     // upper case, empty if none was given
  std::string message;  // empty: the standard one
  bool own_message = false;
};

std::string string_member(const base::Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_code(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string_view code_name_of_status(int status) {
  switch (status) {
    case 401:
      return "UNAUTHORIZED";
    case 403:
      return "DENIED";
    case 429:
      return "TOOMANYREQUESTS";
    default:
      return {};
  }
}

Refusal from_error_object(const base::Json& error) {
  Refusal refusal;
  if (!error.is_object()) return refusal;
  refusal.code = string_member(error, "code");
  std::transform(refusal.code.begin(), refusal.code.end(), refusal.code.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  if (!is_code(refusal.code)) refusal.code.clear();
  refusal.message = string_member(error, "message");
  const KnownCode* known = find_known(refusal.code);
  const bool has_detail = error.contains("detail") && !error["detail"].is_null();
  const bool standard = refusal.message.empty() || (known != nullptr && refusal.message == known->message);
  refusal.own_message = has_detail || !standard;
  return refusal;
}

// Plain text and the title of HTML pages; markup says nothing to anybody.
std::string plain_text(std::string_view body) {
  const std::string lower = base::to_lower(body.substr(0, 4096));
  if (lower.find("<html") == std::string::npos && lower.find("<!doctype") == std::string::npos) {
    return std::string(base::trim(body));
  }
  const std::size_t begin = lower.find("<title>");
  const std::size_t end = lower.find("</title>");
  if (begin == std::string::npos || end == std::string::npos || end < begin + 7) return {};
  return std::string(base::trim(body.substr(begin + 7, end - begin - 7)));
}

Refusal from_body(int status, const std::string& body) {
  Refusal refusal;
  try {
    const base::Json json =
        base::parse_json(body, "error", {.max_bytes = 64 * 1024, .max_depth = 32, .max_values = 10'000});
    if (json.is_object()) {
      const auto errors = json.find("errors");
      if (errors != json.end() && errors->is_array() && !errors->empty()) return from_error_object(errors->front());
      for (const char* key : {"details", "message", "error_description", "error"}) {
        refusal.message = string_member(json, key);
        if (!refusal.message.empty()) break;
      }
    }
  } catch (const base::Error&) {
    refusal.message = plain_text(body);
  }
  refusal.code = refusal.message.empty() ? "" : std::string(code_name_of_status(status));
  refusal.own_message = !refusal.message.empty();
  return refusal;
}

// What the challenge says goes in front of the body (A13).
std::optional<Refusal> from_challenge(const HttpResponse& response, bool& insufficient_scope) {
  for (const Challenge& challenge : parse_challenges(response.all_headers("WWW-Authenticate"))) {
    if (challenge.scheme != "bearer") continue;
    const std::string error = challenge.parameter("error");
    if (error != "invalid_token" && error != "insufficient_scope") continue;
    insufficient_scope = error == "insufficient_scope";
    Refusal refusal;
    refusal.code = insufficient_scope ? "DENIED" : "UNAUTHORIZED";
    refusal.message = challenge.parameter("error_description");
    if (refusal.message.empty()) refusal.message = find_known(refusal.code)->message;
    refusal.own_message = true;
    return refusal;
  }
  return std::nullopt;
}

// And names no other way in.
bool lacks_realm(const HttpResponse& response) {
  const auto challenges = parse_challenges(response.all_headers("WWW-Authenticate"));
  return !select_challenge(challenges) &&
         std::any_of(challenges.begin(), challenges.end(), [](const Challenge& challenge) {
           return challenge.scheme == "bearer" && challenge.parameter("realm").empty();
         });
}

std::string code_words(std::string_view code) {
  std::string words = base::to_lower(code);
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

std::string text_of(const Refusal& refusal, int status, const std::string& method_and_url) {
  if (!refusal.code.empty()) {
    const KnownCode* known = find_known(refusal.code);
    if (!refusal.own_message) return code_words(refusal.code);
    const std::string_view message = refusal.message.empty() && known != nullptr ? known->message : refusal.message;
    return code_words(refusal.code) + (message.empty() ? "" : ": " + base::printable(message, kMaxTextBytes));
  }
  const std::string_view name = code_name_of_status(status);
  if (!name.empty()) return code_words(name) + ": " + std::string(find_known(name)->message);
  if (status < 400 || status >= 500) return "received unexpected HTTP status: " + status_text(status);
  const std::string message = base::printable(refusal.message, kMaxTextBytes);
  return method_and_url + ": " + status_text(status) + (message.empty() ? "" : ": " + message);
}

ErrorCode code_of(const Refusal& refusal, int status) {
  const KnownCode* known = find_known(refusal.code);
  return known != nullptr ? known->code : code_of_status(status);
}

}  // namespace

std::optional<std::chrono::seconds> find_retry_after(const HttpResponse& response) {
  const std::string* value = response.find_header("Retry-After");
  if (value == nullptr) return std::nullopt;
  if (const auto seconds = base::parse_unsigned(*value)) {
    return std::chrono::seconds(std::min<unsigned long long>(*seconds, kLongestRetryAfter.count()));
  }
  std::tm time{};
  std::istringstream stream(*value);
  stream.imbue(std::locale::classic());
  stream >> std::get_time(&time, "%a, %d %b %Y %H:%M:%S");
  if (stream.fail()) return std::nullopt;
  const std::chrono::seconds wait(timegm(&time) - std::time(nullptr));
  return std::clamp(wait, std::chrono::seconds(0), kLongestRetryAfter);
}

RegistryError::RegistryError(ErrorCode code, std::string message, int status, std::string registry_code)
    : Error(code, std::move(message)), status_(status), registry_code_(std::move(registry_code)) {}

RegistryError make_registry_error(const HttpResponse& response, const std::string& method_and_url) {
  bool insufficient_scope = false;
  Refusal refusal;
  if (response.status == 401 || response.status == 403) {
    refusal = from_challenge(response, insufficient_scope).value_or(Refusal{});
  }
  if (refusal.code.empty()) refusal = from_body(response.status, response.body);
  RegistryError error(code_of(refusal, response.status), text_of(refusal, response.status, method_and_url),
                      response.status, refusal.code);
  error.own_message_ = refusal.own_message;
  error.insufficient_scope_ = insufficient_scope;
  error.lacks_realm_ = response.status == 401 && lacks_realm(response);
  error.retry_after_ = find_retry_after(response);
  return error;
}

}  // namespace lighterd::distribution
