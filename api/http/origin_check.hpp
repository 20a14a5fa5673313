// SPDX-License-Identifier: Apache-2.0
// Keeps web pages away from a TCP port on this machine: DNS rebinding shows in Host, cross-site requests in
// Origin and Sec-Fetch-Site (security-reliability rule 37).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/http/fault.hpp"
#include "api/http/head_parser.hpp"
#include "api/http/server.hpp"

namespace lighterd::api {

struct OriginPolicy {
  HostCheck host_check = HostCheck::kThisMachine;
  std::span<const std::string> host_names = {};  // as ServerOptions has them
  std::string_view scheme = "http";              // of this connection
};

// 403 unless the request names this machine by address, as localhost or by one of its names (with kThisMachine), and
// comes from no other site.
std::optional<Fault> find_origin_fault(const RequestHead& head, const OriginPolicy& policy);

}  // namespace lighterd::api
