// SPDX-License-Identifier: Apache-2.0
#include "oci/registry_host.hpp"

#include <algorithm>
#include <array>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::oci {
namespace {

constexpr std::array<std::string_view, 4> kHubHosts = {kHubDomain, "index.docker.io", "registry-1.docker.io",
                                                       "www.docker.io"};

struct SchemeText {
  UrlScheme scheme;
  std::string_view text;
  std::string_view port;
};
constexpr std::array<SchemeText, 2> kSchemes = {SchemeText{UrlScheme::kHttps, "https:/", ":443"},
                                                SchemeText{UrlScheme::kHttp, "http:/", ":80"}};

Reference on_hub(const Reference& reference) {
  const std::string& domain = reference.repository().domain();
  if (domain == kHubDomain || !is_hub_host(domain)) return reference;
  const Reference official = parse_reference(std::string(kHubDomain) + "/" + reference.repository().path());
  return Reference(official.repository(), reference.tag(), reference.digest());
}

RepositoryUrl parse_url(const std::string& text, const SchemeText& scheme) {
  const std::size_t begin = std::min(text.find_first_not_of('/', scheme.text.size()), text.size());
  const std::size_t slash = text.find('/', begin);
  if (slash == std::string::npos || slash + 1 == text.size())
    throw base::Error(base::ErrorCode::kInvalidArgument, "invalid reference format: the URL names no repository");
  std::string authority = text.substr(begin, slash - begin);
  if (authority.ends_with(scheme.port)) authority.resize(authority.size() - scheme.port.size());
  std::string path = text.substr(slash);
  return RepositoryUrl{scheme.scheme, std::move(authority), std::move(path)};
}

std::string domain_of(const RepositoryUrl& url) {
  const bool is_word = url.authority.find_first_of(".:") == std::string::npos && url.authority != "localhost";
  return url.authority + (!is_word ? "" : url.scheme == UrlScheme::kHttps ? ":443" : ":80");
}

}  // namespace

bool is_hub_host(std::string_view host) {
  return std::find(kHubHosts.begin(), kHubHosts.end(), host) != kHubHosts.end();
}

std::string normalize_registry_host(std::string_view address) {
  std::string host = base::to_lower(base::trim(address));
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (host.starts_with(scheme)) host.erase(0, scheme.size());
  }
  host.resize(std::min(host.find('/'), host.size()));
  return is_hub_host(host) ? std::string(kHubDomain) : host;
}

std::optional<RepositoryUrl> find_repository_url(const std::string& text) {
  for (const SchemeText& scheme : kSchemes) {
    if (text.starts_with(scheme.text)) return parse_url(text, scheme);
  }
  return std::nullopt;
}

Reference parse_written_name(const std::string& text) {
  const auto url = find_repository_url(text);
  return on_hub(parse_reference(url ? domain_of(*url) + url->path : text));
}

}  // namespace lighterd::oci
