// SPDX-License-Identifier: Apache-2.0
#include "distribution/cookie_jar.hpp"

#include <algorithm>

#include "base/encoding.hpp"

namespace lighterd::distribution {
namespace {

// RFC 6265 4.1.1, but for the quotes and commas of values that servers are known to send.
bool is_name(std::string_view text) {
  constexpr std::string_view kSeparators = "()<>@,;:\\\"/[]?={}";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return c > 0x20 && c < 0x7F && kSeparators.find(c) == std::string_view::npos;
  });
}

bool is_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F && c != ';'; });
}

}  // namespace

void CookieJar::keep(const Url& from, const HttpResponse& response) {
  for (const auto& [name, value] : response.headers) {
    if (base::equals_ignoring_case(name, "Set-Cookie")) keep_one(from, value);
  }
}

void CookieJar::keep_one(const Url& from, std::string_view line) {
  line = line.substr(0, line.find(';'));
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos || line.size() > kMaxCookieBytes) return;
  std::string name(base::trim(line.substr(0, equals)));
  const std::string_view value = base::trim(line.substr(equals + 1));
  if (!is_name(name) || !is_value(value)) return;
  base::Secret secret{std::string(value)};
  const auto known = std::find_if(cookies_.begin(), cookies_.end(), [&](const Cookie& cookie) {
    return cookie.name == name && is_same_origin(cookie.origin, from);
  });
  if (known != cookies_.end()) {
    known->value = std::move(secret);
  } else if (cookies_.size() < kMaxCookies) {
    cookies_.push_back({.origin = from, .name = std::move(name), .value = std::move(secret)});
  }
}

base::Secret CookieJar::cookies_for(const Url& to) const {
  std::string line;
  for (const Cookie& cookie : cookies_) {
    if (!is_same_origin(cookie.origin, to)) continue;
    if (!line.empty()) line += "; ";
    line += cookie.name + "=" + cookie.value.reveal();
  }
  return base::Secret(std::move(line));
}

}  // namespace lighterd::distribution
