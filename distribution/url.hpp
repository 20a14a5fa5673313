// SPDX-License-Identifier: Apache-2.0
// http and https URLs, read strictly: what two parsers could understand in two ways is refused, so the host that was
// checked is the host that is contacted. Path and query are kept byte for byte (signed storage URLs).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lighterd::distribution {

inline constexpr std::size_t kMaxUrlBytes = 8 * 1024;

struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; IPv6 without brackets
  std::uint16_t port = 0;
  bool has_port = false;  // written, not the scheme's default
  std::string path;       // begins with '/'
  std::optional<std::string> query;

  bool is_https() const { return scheme == "https"; }
  std::string authority() const;  // host[:port] as in a Host header; the default port is left out unless written
  std::string to_string() const;
  void add_query(std::string_view parameter);  // "name=value", encoded already
};

// kInvalidArgument: another scheme, userinfo, no host, a character that is not allowed, more than kMaxUrlBytes.
// A fragment is dropped.
Url parse_url(std::string_view text);

// A Location or Link against the URL that was requested: absolute, "/path", "path", "?query", "//host/path", and
// "host/path" if the host is base's. An http Location that names base's host is taken as meant for base's scheme
// (a registry behind a TLS proxy says so). kInvalidArgument as parse_url.
Url resolve_url(const Url& base, std::string_view location);

bool is_same_origin(const Url& a, const Url& b);  // scheme, host and port

// The same by plain http: at port 80 unless another is written.
Url with_plain_http(Url url);

// For errors and logs: without userinfo and fragment, values of query parameters replaced unless they are known to
// hold no secret. Works on malformed text too.
std::string redact_url(std::string_view text);

}  // namespace lighterd::distribution
