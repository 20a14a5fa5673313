// SPDX-License-Identifier: Apache-2.0
#include "distribution/remote_name.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.hpp"
#include "distribution/host_trust.hpp"
#include "distribution/registry_endpoint.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::array<std::string_view, 4> kHubHosts = {"docker.io", "www.docker.io", "index.docker.io",
                                                       "registry-1.docker.io"};

// What is behind "<scheme>:/" or "<scheme>://"; nothing if the text does not begin so.
std::optional<std::string> behind_scheme(const std::string& text, const std::string& scheme) {
  if (!text.starts_with(scheme + ":/")) return std::nullopt;
  const std::size_t begin = text.find_first_not_of('/', scheme.size() + 1);
  return begin == std::string::npos ? std::string() : text.substr(begin);
}

std::string without_port(std::string authority, std::string_view port) {
  if (authority.ends_with(port)) authority.resize(authority.size() - port.size());
  return authority;
}

void require_insecure(const std::string& authority, const RegistryOptions& options) {
  if (InsecureRegistries(options.insecure_registries).contains(parse_url("http://" + authority + "/"))) return;
  throw Error(ErrorCode::kInvalidArgument, "http://" + authority + ": not an insecure registry; https would be spoken");
}

std::string parse_authority(const std::string& authority, Scheme scheme, const RegistryOptions& options) {
  if (scheme == Scheme::kHttps) return without_port(authority, ":443");
  std::string host = without_port(authority, ":80");
  require_insecure(host, options);
  return host;
}

oci::Reference reference_behind(const std::string& rest, Scheme scheme, const RegistryOptions& options) {
  const std::size_t slash = rest.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == rest.size())
    throw Error(ErrorCode::kInvalidArgument, "invalid reference format: the URL names no repository");
  std::string host = parse_authority(rest.substr(0, slash), scheme, options);
  // A single word would be taken for the first part of a path.
  if (host.find_first_of(".:") == std::string::npos && host != "localhost")
    host += scheme == Scheme::kHttps ? ":443" : ":80";
  return oci::parse_reference(host + rest.substr(slash));
}

oci::Reference on_hub(const oci::Reference& reference) {
  const std::string& domain = reference.repository().domain();
  if (domain == kHubHosts.front() || std::ranges::find(kHubHosts, domain) == kHubHosts.end()) return reference;
  const oci::Reference official = oci::parse_reference("docker.io/" + reference.repository().path());
  return oci::Reference(official.repository(), reference.tag(), reference.digest());
}

}  // namespace

oci::Reference parse_remote_name(const std::string& text, const RegistryOptions& options) {
  if (const auto rest = behind_scheme(text, "https")) return on_hub(reference_behind(*rest, Scheme::kHttps, options));
  if (const auto rest = behind_scheme(text, "http")) return on_hub(reference_behind(*rest, Scheme::kHttp, options));
  return on_hub(oci::parse_reference(text));
}

}  // namespace lighterd::distribution
