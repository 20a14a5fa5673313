// SPDX-License-Identifier: Apache-2.0
// One HTTP exchange with a registry, a token server or a storage host. Knows nothing of any of them, follows no
// redirect, sends no credential that the request does not hold.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/secret.hpp"
#include "base/stream.hpp"
#include "distribution/network_address.hpp"
#include "distribution/retry.hpp"
#include "distribution/tls_settings.hpp"

namespace lighterd::distribution {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// A body that can be sent again: a redirect, a 401 or a retry opens it anew.
struct RequestBody {
  std::string content_type;
  std::int64_t length_bytes = 0;
  std::function<std::unique_ptr<base::Source>()> open;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // http or https only
  HeaderList headers;
  base::Secret authorization;  // whole value of the Authorization header; empty: none is sent
  base::Secret cookies;        // the same of the Cookie header
  std::optional<RequestBody> body;
  TlsSettingsPtr tls;  // null: verified against the system's roots
  // The most internal kind of address that may be connected to (security-reliability A.2/20); what a foreign server
  // named gets less than kSpecial. Not checked for what goes through a configured proxy. Refused: kPermissionDenied.
  AddressClass reach = AddressClass::kSpecial;
  std::chrono::milliseconds connect_timeout{30'000};
  // No byte received or sent for that long, or less than 1 KiB in three times that: kDeadlineExceeded.
  std::chrono::milliseconds stall_timeout{10'000};
  // Instead of stall_timeout from the last byte of the body on until the answer begins: a registry hashes what it was
  // sent before it answers. Zero: stall_timeout.
  std::chrono::milliseconds answer_timeout{0};
  // Addresses that did not do well: others of the host are tried.
  std::vector<IpAddress> avoid;
  // How long a host that asked for a pause is waited for, and who is told of it (PacedHttpClient).
  std::chrono::milliseconds patience{kLongestPatience};
  RetryListener on_wait;
  // For small exchanges (tokens): the whole may take that long; zero: no limit.
  std::chrono::milliseconds total_timeout{0};
};

struct HttpResponse {
  int status = 0;
  HeaderList headers;
  // What was not given to a sink, at most max_body_bytes of it.
  std::string body;
  // The address that answered; nothing if it was a proxy.
  std::optional<IpAddress> peer;

  const std::string* find_header(std::string_view name) const;  // first, case-insensitive
  std::vector<std::string> all_headers(std::string_view name) const;
};

// Why no response came. kind decides about http fallback, the next endpoint, and whether another try makes sense: a
// certificate that does not verify, a proxy that refuses us and a malformed answer stay as they are until somebody
// changes something. The
// code is kUnavailable (kDeadlineExceeded for time-outs, kPermissionDenied for kProxyRefused).
enum class TransportFailure {
  kResolve,
  kConnect,
  kTls,          // the handshake broke: the peer may not speak TLS at all
  kCertificate,  // of the peer, or of ours: it was read and did not verify
  kProxyRefused,
  kTimeout,
  kBroken,
  kMalformed,  // an answer that is none, or has a head too large to be read
};
class TransportError : public base::Error {
 public:
  TransportError(TransportFailure kind, base::ErrorCode code, std::string message)
      : base::Error(code, std::move(message)), kind_(kind) {}
  TransportFailure kind() const noexcept { return kind_; }
  // The host has answered some request before: it exists.
  bool is_known_host() const noexcept { return known_host_; }
  void set_known_host() noexcept { known_host_ = true; }
  // It was a token server that was asked, and not who sent there.
  bool is_of_realm() const noexcept { return of_realm_; }
  void set_of_realm() noexcept { of_realm_ = true; }
  // The address that was connected to, if it came so far.
  const std::optional<IpAddress>& peer() const noexcept { return peer_; }
  void set_peer(const std::optional<IpAddress>& peer) { peer_ = peer; }

 private:
  TransportFailure kind_;
  bool known_host_ = false;
  bool of_realm_ = false;
  std::optional<IpAddress> peer_;
};

// Called once when the head of the response is complete; the sink returned gets the body (for HEAD none comes),
// null: the body is collected into HttpResponse::body. What it or the sink throws ends the exchange and is rethrown
// by perform().
using OnHead = std::function<base::Sink*(const HttpResponse& head)>;

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // Blocks until the exchange is complete; thread-safe. A collected body larger than max_body_bytes is kDataLoss;
  // one that ends early is a TransportError (kBroken). Stopping throws kCancelled, within milliseconds.
  // Neither headers nor URLs with control characters are sent (kInvalidArgument). Texts are Docker's:
  // `Get "https://host/v2/": dial tcp 10.0.0.1:443: connect: connection refused`, with the URL redacted.
  virtual HttpResponse perform(const HttpRequest& request, const OnHead& on_head, std::size_t max_body_bytes,
                               std::stop_token stop) = 0;
};

// 301, 302, 303, 307 or 308, and it says where to.
bool is_redirect(const HttpResponse& response);

// `Get "https://host/v2/?token=REDACTED"`: how errors name a request.
std::string describe_request(std::string_view method, std::string_view url);

}  // namespace lighterd::distribution
