// SPDX-License-Identifier: Apache-2.0
// What a registry answered when it refused, with the texts that Docker prints (registry-protocol.md A13, "classic").
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "distribution/http_client.hpp"

namespace lighterd::distribution {

class RegistryError : public base::Error {
 public:
  RegistryError(base::ErrorCode code, std::string message, int status, std::string registry_code);

  int status() const noexcept { return status_; }
  // "MANIFEST_UNKNOWN"; empty if the body had none.
  const std::string& registry_code() const noexcept { return registry_code_; }
  // The code was in the body with a message of its own or a detail (A13: 403 DENIED is told apart by this).
  bool has_own_message() const noexcept { return own_message_; }
  // error="insufficient_scope" was in the challenge of a 401 that came although a token was sent.
  bool insufficient_scope() const noexcept { return insufficient_scope_; }
  // The token server that said it, as errors show it; empty: the registry itself.
  const std::string& realm() const noexcept { return realm_; }
  void set_realm(std::string realm) { realm_ = std::move(realm); }
  // A token was asked for, and it was not said where it can be had.
  bool lacks_realm() const noexcept { return lacks_realm_; }
  std::optional<std::chrono::seconds> retry_after() const noexcept { return retry_after_; }
  void set_retry_after(std::chrono::seconds time) noexcept { retry_after_ = time; }
  // A storage host said it of a URL that the registry had given: a new one may do.
  bool is_stale_location() const noexcept { return stale_location_; }
  void set_stale_location() noexcept { stale_location_ = true; }

 private:
  friend RegistryError make_registry_error(const HttpResponse& response, const std::string& method_and_url);
  int status_;
  std::string registry_code_;
  bool own_message_ = false;
  bool insufficient_scope_ = false;
  bool stale_location_ = false;
  bool lacks_realm_ = false;
  std::string realm_;
  std::optional<std::chrono::seconds> retry_after_;
};

// "401 Unauthorized"
std::string status_text(int status);

// Retry-After as seconds or as a date; nothing if there is none or it cannot be read. At most a day.
std::optional<std::chrono::seconds> find_retry_after(const HttpResponse& response);

// From a response that is not 2xx. Accepts {"errors":[..]}, {"details":".."}, {"message":".."}, text and HTML; a 4xx
// never becomes kInternal. The text is "<code words>: <message>" ("manifest unknown: manifest unknown" when there is
// a detail or own message; the code words alone when the message is the standard one, as classic does); 5xx without
// code: "received unexpected HTTP status: 503 Service Unavailable"; foreign text is made printable and cut.
RegistryError make_registry_error(const HttpResponse& response, const std::string& method_and_url);

}  // namespace lighterd::distribution
