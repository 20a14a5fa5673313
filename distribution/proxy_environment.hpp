// SPDX-License-Identifier: Apache-2.0
// Which proxy a URL goes through. libcurl would find out by itself, but does not tell whether it used one, and an
// address check has to know whether it sees the target or the proxy.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "distribution/network_address.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {

class ProxyEnvironment {
 public:
  // getenv-like look-up: null if not set. Lower-case names win.
  using Lookup = std::function<const char*(const char* name)>;
  explicit ProxyEnvironment(const Lookup& lookup);

  // The proxy's URL (may hold a password: never print it). Loopback hosts and what no_proxy lists ("*", names with
  // their sub-domains, addresses, CIDRs, each with an optional port) are contacted directly.
  std::optional<std::string> find_proxy(const Url& url) const;

 private:
  bool is_excluded(const Url& url) const;
  std::string http_;
  std::string https_;
  std::vector<std::string> excluded_;
};

}  // namespace lighterd::distribution
