// SPDX-License-Identifier: Apache-2.0
#include "distribution/proxy_environment.hpp"

#include <algorithm>

#include "base/encoding.hpp"

namespace lighterd::distribution {
namespace {

std::string first_of(const ProxyEnvironment::Lookup& lookup, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* value = lookup(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return {};
}

bool matches_name(std::string_view host, std::string_view entry) {
  if (entry.starts_with("*.")) entry.remove_prefix(1);
  if (entry.starts_with('.')) return host.ends_with(entry);
  return host == entry ||
         (host.size() > entry.size() && host.ends_with(entry) && host[host.size() - entry.size() - 1] == '.');
}

}  // namespace

ProxyEnvironment::ProxyEnvironment(const Lookup& lookup)
    : http_(first_of(lookup, {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"})),
      https_(first_of(lookup, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})) {
  const std::string list = base::to_lower(first_of(lookup, {"no_proxy", "NO_PROXY"}));
  std::size_t begin = 0;
  while (begin < list.size()) {
    const std::size_t end = std::min(list.find_first_of(", \t", begin), list.size());
    if (end > begin) excluded_.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
}

bool ProxyEnvironment::is_excluded(const Url& url) const {
  if (is_loopback_host(url.host)) return true;
  const auto address = find_ip_address(url.host);
  const std::string port = ":" + std::to_string(url.port);
  return std::any_of(excluded_.begin(), excluded_.end(), [&](std::string_view entry) {
    if (entry == "*") return true;
    if (entry.ends_with(port) && (entry.front() == '[' || entry.find(':') == entry.size() - port.size())) {
      entry.remove_suffix(port.size());
    }
    if (entry.starts_with('[') && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);
    if (!address) return matches_name(url.host, entry);
    const auto cidr = find_cidr(entry);
    const auto other = find_ip_address(entry);
    return (cidr && cidr->contains(*address)) || (other && *other == *address);
  });
}

std::optional<std::string> ProxyEnvironment::find_proxy(const Url& url) const {
  const std::string& proxy = url.is_https() ? https_ : http_;
  if (proxy.empty() || is_excluded(url)) return std::nullopt;
  return proxy;
}

}  // namespace lighterd::distribution
