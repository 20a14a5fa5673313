// SPDX-License-Identifier: Apache-2.0
#include "api/http/origin_check.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "base/encoding.hpp"

namespace lighterd::api {
namespace {

bool is_port(std::string_view text) {
  return text.size() <= 5 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_address(int family, std::string_view text) {
  in6_addr address;
  return ::inet_pton(family, std::string(text).c_str(), &address) == 1;
}

bool is_local_authority(std::string_view authority, std::span<const std::string> names) {
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return false;
    const std::string_view rest = authority.substr(end + 1);
    return is_address(AF_INET6, authority.substr(1, end - 1)) &&
           (rest.empty() || (rest.front() == ':' && is_port(rest.substr(1))));
  }
  const auto colon = std::min(authority.find(':'), authority.size());
  const std::string_view host = authority.substr(0, colon);
  if (colon != authority.size() && !is_port(authority.substr(colon + 1))) return false;
  const auto is_host = [&](std::string_view name) { return base::equals_ignoring_case(host, name); };
  return is_address(AF_INET, host) || is_host("localhost") || std::ranges::any_of(names, is_host);
}

bool is_same_origin(std::string_view origin, std::string_view scheme, std::string_view host) {
  return base::equals_ignoring_case(origin, std::string(scheme) + "://" + std::string(host));
}

}  // namespace

std::optional<Fault> find_origin_fault(const RequestHead& head, const OriginPolicy& policy) {
  const std::string* field = head.headers.find("Host");
  const std::string host = field == nullptr ? "" : *field;
  const bool is_local = is_local_authority(host, policy.host_names) &&
                        (head.authority.empty() || is_local_authority(head.authority, policy.host_names));
  if (policy.host_check == HostCheck::kThisMachine && !is_local)
    return Fault{403, "the Host header must be an IP address, localhost or a name that was configured"};
  for (const auto& [name, value] : head.headers.all()) {
    const bool foreign_origin =
        base::equals_ignoring_case(name, "Origin") && !is_same_origin(value, policy.scheme, host);
    const bool foreign_site =
        base::equals_ignoring_case(name, "Sec-Fetch-Site") && value != "same-origin" && value != "none";
    if (foreign_origin || foreign_site) return Fault{403, "requests of other sites are refused"};
  }
  return std::nullopt;
}

}  // namespace lighterd::api
