// SPDX-License-Identifier: Apache-2.0
#include "cli/host.hpp"

#include <sys/un.h>

#include <algorithm>
#include <optional>

#include "base/encoding.hpp"
#include "cli/exit_code.hpp"

namespace lighterd::cli {
namespace {

constexpr std::string_view kDefaultPort = "2375";

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw Failure(ExitCode::kUsage, "invalid host \"" + base::printable(text, 200) + "\": " + std::string(why));
}

bool is_port(std::string_view text) {
  const auto number = base::parse_unsigned(text);
  return number && *number > 0 && *number <= 65535;
}

bool is_host_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
           c == '_';
  });
}

bool is_bracketed_address(std::string_view text) {
  return text.size() > 2 && text.front() == '[' && text.back() == ']' &&
         text.find_first_not_of("0123456789abcdefABCDEF:.", 1) == text.size() - 1;
}

std::string parse_authority(std::string_view text, std::string_view address) {
  if (address.ends_with('/')) address.remove_suffix(1);
  const std::size_t bracket = address.rfind(']');
  const std::size_t colon = address.rfind(':');
  const bool has_port = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  std::string_view name = address.substr(0, has_port ? colon : address.size());
  if (name.empty() && has_port) name = "localhost";
  const std::string_view port = has_port ? address.substr(colon + 1) : kDefaultPort;
  if (!is_port(port)) refuse(text, "the port must be a number from 1 to 65535");
  if (!is_host_name(name) && !is_bracketed_address(name)) refuse(text, "must be tcp://host:port");
  return std::string(name) + ":" + std::string(port);
}

}  // namespace

Host parse_host(std::string_view text, std::string_view default_host) {
  constexpr std::string_view kUnix = "unix://";
  constexpr std::string_view kTcp = "tcp://";
  if (text == kUnix && default_host != text) return parse_host(default_host, default_host);
  if (text.starts_with(kUnix)) {
    const std::string_view path = text.substr(kUnix.size());
    if (!path.starts_with('/') || path.size() < 2) refuse(text, "must be unix:///path");
    if (path.size() >= sizeof(sockaddr_un::sun_path)) refuse(text, "the path of a socket has at most 107 bytes");
    return Host{std::string(text), std::string(path), "localhost"};
  }
  if (text.starts_with(kTcp)) return Host{std::string(text), {}, parse_authority(text, text.substr(kTcp.size()))};
  if (!text.starts_with('/') && text.find(':') != std::string_view::npos && text.find("://") == std::string_view::npos)
    return Host{std::string(text), {}, parse_authority(text, text)};
  refuse(text, "must be unix:///path or tcp://host:port");
}

}  // namespace lighterd::cli
