// SPDX-License-Identifier: Apache-2.0
// Cookies of one operation: load balancers of old registries send a client back to the server that knows its token by
// them (registry-protocol.md A14). Name and value alone: attributes are ignored, and a cookie goes to the origin that
// set it and to no other, so none of them can widen that.
#pragma once

#include <string>
#include <vector>

#include "base/secret.hpp"
#include "distribution/http_client.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {

inline constexpr std::size_t kMaxCookies = 16;            // of all origins together; more are not kept
inline constexpr std::size_t kMaxCookieBytes = 4 * 1024;  // name and value; a larger one is not kept

// Not thread-safe.
class CookieJar {
 public:
  // Every Set-Cookie of the answer that can be read; one of the same name is replaced.
  void keep(const Url& from, const HttpResponse& response);
  // "a=1; b=2", in the order in which they came; empty if there are none for that origin.
  base::Secret cookies_for(const Url& to) const;

 private:
  struct Cookie {
    Url origin;
    std::string name;
    base::Secret value;
  };
  void keep_one(const Url& from, std::string_view line);

  std::vector<Cookie> cookies_;
};

}  // namespace lighterd::distribution
