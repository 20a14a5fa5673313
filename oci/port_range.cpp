// SPDX-License-Identifier: Apache-2.0
#include "oci/port_range.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::oci {
namespace {

[[noreturn]] void fail(const std::string& why) {
  throw base::Error(base::ErrorCode::kInvalidArgument, why);
}

std::optional<int> find_port(std::string_view text) {
  const auto number = base::parse_unsigned(text);
  return number && *number <= 65535 ? std::optional(static_cast<int>(*number)) : std::nullopt;
}

struct Ports {
  int first;
  int last;
};

std::optional<Ports> find_ports(std::string_view text) {
  const std::size_t dash = std::min(text.find('-'), text.size());
  const auto first = find_port(text.substr(0, dash));
  const auto last = dash == text.size() ? first : find_port(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return Ports{*first, *last};
}

void check_host_port(std::string_view host, const Ports& ports) {
  const std::size_t colon = host.rfind(':');
  const std::string_view text = colon == std::string_view::npos ? host : host.substr(colon + 1);
  if (text.empty()) return;
  const auto host_ports = find_ports(text);
  if (!host_ports) fail("Invalid hostPort: " + std::string(text));
  if (ports.first != ports.last && host_ports->last - host_ports->first != ports.last - ports.first)
    fail("Invalid ranges specified for container and host Ports: " + std::to_string(ports.first) + "-" +
         std::to_string(ports.last) + " and " + std::string(text));
}

}  // namespace

PortRange parse_port_range(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  std::string_view port = colon == std::string_view::npos ? text : text.substr(colon + 1);
  const std::size_t slash = std::min(port.find('/'), port.size());
  const std::string_view written = port.substr(std::min(slash + 1, port.size()));
  const std::string protocol = written.empty() ? "tcp" : base::to_lower(written);
  port = port.substr(0, slash);
  if (port.empty()) fail("No port specified: " + std::string(text) + "<empty>");
  const auto ports = find_ports(port);
  if (!ports) fail("Invalid containerPort: " + std::string(port));
  if (colon != std::string_view::npos) check_host_port(text.substr(0, colon), *ports);
  constexpr std::array<std::string_view, 3> kProtocols = {"tcp", "udp", "sctp"};
  if (std::ranges::find(kProtocols, std::string_view(protocol)) == kProtocols.end())
    fail("Invalid proto: " + std::string(written));
  return {ports->first, ports->last, protocol};
}

}  // namespace lighterd::oci
