// SPDX-License-Identifier: Apache-2.0
#include "distribution/url.hpp"

#include <algorithm>
#include <array>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "distribution/network_address.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

[[noreturn]] void fail(std::string_view why) {
  throw Error(ErrorCode::kInvalidArgument, "invalid URL: " + std::string(why));
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

void check_characters(std::string_view text) {
  if (text.size() > kMaxUrlBytes) fail("longer than 8192 bytes");
  const bool clean = std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7F && c != '\\' && c != '"' && c != '<' && c != '>' && c != '^' && c != '`';
  });
  if (!clean) fail("it holds a character that is not allowed");
}

std::uint16_t parse_port(std::string_view text) {
  const auto port = base::parse_unsigned(text);
  if (!port || *port == 0 || *port > 65535) fail("bad port");
  return static_cast<std::uint16_t>(*port);
}

void parse_authority(std::string_view authority, Url& url) {
  if (authority.find('@') != std::string_view::npos) fail("user information is not allowed");
  std::string_view rest;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) fail("bad host");
    url.host = base::to_lower(authority.substr(1, end - 1));
    if (url.host.find(':') == std::string::npos || !find_ip_address(url.host)) fail("bad host");
    rest = authority.substr(end + 1);
  } else {
    const std::size_t end = std::min(authority.find(':'), authority.size());
    url.host = base::to_lower(authority.substr(0, end));
    if (url.host.empty() || !std::all_of(url.host.begin(), url.host.end(), is_host_character)) fail("bad host");
    // A name that ends in a number would be read as an address by getaddrinfo ("127.1", "0x7f.1", "2130706433").
    const std::string last = url.host.substr(url.host.rfind('.') + 1);
    if (!last.empty() && last[0] >= '0' && last[0] <= '9' && !find_ip_address(url.host)) {
      const bool numeric = last.starts_with("0x") || last.find_first_not_of("0123456789") == std::string::npos;
      if (numeric) fail("bad host");
    }
    rest = authority.substr(end);
  }
  if (rest.empty()) return;
  if (!rest.starts_with(':')) fail("bad host");
  url.port = parse_port(rest.substr(1));
  url.has_port = true;
}

void set_path_and_query(std::string_view text, Url& url) {
  text = text.substr(0, std::min(text.find('#'), text.size()));
  const std::size_t mark = text.find('?');
  url.path = std::string(text.substr(0, mark));
  if (!url.path.starts_with('/')) url.path.insert(url.path.begin(), '/');
  url.query.reset();
  if (mark != std::string_view::npos) url.query = std::string(text.substr(mark + 1));
}

bool has_scheme(std::string_view text) {
  const std::size_t colon = text.find("://");
  return colon != std::string_view::npos && colon > 0 &&
         std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-' ||
                  c == '.';
         });
}

Url keep_scheme_of(const Url& base, Url target) {
  const bool same_port = target.port == base.port || (!target.has_port && !base.has_port);
  if (base.is_https() && !target.is_https() && target.host == base.host && same_port) {
    target.scheme = base.scheme;
    target.port = base.port;
  }
  return target;
}

}  // namespace

std::string Url::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return has_port ? name + ":" + std::to_string(port) : name;
}

std::string Url::to_string() const {
  return scheme + "://" + authority() + path + (query ? "?" + *query : std::string());
}

void Url::add_query(std::string_view parameter) {
  if (!query) {
    query = std::string(parameter);
    return;
  }
  if (!query->empty() && query->back() != '&') *query += '&';
  *query += parameter;
}

Url parse_url(std::string_view text) {
  check_characters(text);
  Url url;
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) fail("no scheme");
  url.scheme = base::to_lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") fail("only http and https are supported");
  url.port = url.is_https() ? 443 : 80;
  const std::string_view rest = text.substr(colon + 3);
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  parse_authority(rest.substr(0, end), url);
  set_path_and_query(rest.substr(end), url);
  return url;
}

Url resolve_url(const Url& base, std::string_view location) {
  check_characters(location);
  if (location.empty()) fail("empty");
  if (location.starts_with("//")) return keep_scheme_of(base, parse_url(base.scheme + ":" + std::string(location)));
  if (has_scheme(location)) {
    return keep_scheme_of(base, parse_url(location));
  }
  Url url = base;
  if (location.starts_with(base.authority() + "/")) {
    set_path_and_query(location.substr(base.authority().size()), url);
  } else if (location.starts_with('/')) {
    set_path_and_query(location, url);
  } else if (location.starts_with('?')) {
    set_path_and_query(base.path + std::string(location), url);
  } else {
    const std::size_t colon = location.find(':');
    if (colon != std::string_view::npos && colon < location.find_first_of("/?#")) fail("it looks like another scheme");
    set_path_and_query(base.path.substr(0, base.path.rfind('/') + 1) + std::string(location), url);
  }
  return url;
}

bool is_same_origin(const Url& a, const Url& b) {
  return a.scheme == b.scheme && a.host == b.host && a.port == b.port;
}

Url with_plain_http(Url url) {
  url.scheme = "http";
  if (!url.has_port) url.port = 80;
  return url;
}

std::string redact_url(std::string_view text) {
  static constexpr std::array<std::string_view, 8> kHarmless = {"scope", "service", "n",     "ns",
                                                                "last",  "digest",  "mount", "from"};
  std::string_view rest = text.substr(0, std::min(text.find('#'), text.size()));
  const std::size_t mark = rest.find('?');
  std::string result(rest.substr(0, mark));
  const std::size_t authority = result.find("://");
  if (authority != std::string::npos) {
    const std::size_t end = std::min(result.find('/', authority + 3), result.size());
    const std::size_t at = result.substr(0, end).rfind('@');
    if (at != std::string::npos && at > authority) result.erase(authority + 3, at - authority - 2);
  }
  if (mark == std::string_view::npos) return base::printable(result, kMaxUrlBytes);
  rest.remove_prefix(mark + 1);
  char separator = '?';
  while (!rest.empty()) {
    const std::string_view parameter = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), parameter.size() + 1));
    const std::string_view name = parameter.substr(0, parameter.find('='));
    const bool harmless = std::find(kHarmless.begin(), kHarmless.end(), name) != kHarmless.end();
    result += separator;
    result += harmless || name.size() == parameter.size() ? std::string(parameter) : std::string(name) + "=REDACTED";
    separator = '&';
  }
  return base::printable(result, kMaxUrlBytes);
}

}  // namespace lighterd::distribution
