// SPDX-License-Identifier: Apache-2.0
#include "distribution/remote_name.hpp"

#include "base/error.hpp"
#include "distribution/host_trust.hpp"
#include "distribution/registry_endpoint.hpp"
#include "distribution/url.hpp"
#include "oci/registry_host.hpp"

namespace lighterd::distribution {
namespace {

void require_insecure(const std::string& authority, const RegistryOptions& options) {
  if (InsecureRegistries(options.insecure_registries).contains(parse_url("http://" + authority + "/"))) return;
  throw base::Error(base::ErrorCode::kInvalidArgument,
                    "http://" + authority + ": not an insecure registry; https would be spoken");
}

}  // namespace

oci::Reference parse_remote_name(const std::string& text, const RegistryOptions& options) {
  const auto url = oci::find_repository_url(text);
  if (url && url->scheme == oci::UrlScheme::kHttp) require_insecure(url->authority, options);
  return oci::parse_written_name(text);
}

}  // namespace lighterd::distribution
