// SPDX-License-Identifier: Apache-2.0
#include "distribution/upstream_health.hpp"

#include <algorithm>
#include <array>

#include "base/encoding.hpp"
#include "distribution/http_client.hpp"
#include "distribution/registry_error.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kMaxDowns = 1000;
constexpr std::size_t kMaxReasonBytes = 200;

// Whether other repositories fare no better.
bool is_of_host(const Error& error) {
  if (dynamic_cast<const TransportError*>(&error) != nullptr) return true;
  const auto* refusal = dynamic_cast<const RegistryError*>(&error);
  return refusal != nullptr && (refusal->status() == 429 || refusal->status() >= 500);
}

}  // namespace

bool is_upstream_failure(const Error& error) {
  if (dynamic_cast<const TransportError*>(&error) != nullptr) return true;
  if (const auto* refusal = dynamic_cast<const RegistryError*>(&error)) return refusal->status() != 404;
  constexpr std::array kCodes = {ErrorCode::kUnavailable,      ErrorCode::kUnauthenticated,
                                 ErrorCode::kPermissionDenied, ErrorCode::kResourceExhausted,
                                 ErrorCode::kDeadlineExceeded, ErrorCode::kDataLoss};
  return std::find(kCodes.begin(), kCodes.end(), error.code()) != kCodes.end();
}

std::optional<std::string> UpstreamHealth::find_reason(const oci::RepositoryName& name) {
  auto downs = downs_.lock();
  for (const std::string& key : {name.domain(), name.to_string()}) {
    const auto found = downs->find(key);
    if (found == downs->end()) continue;
    if (found->second.until > Clock::now()) return found->second.reason;
    downs->erase(found);
  }
  return std::nullopt;
}

std::string describe_failure(const oci::RepositoryName& name, const Error& error) {
  return name.domain() + ": " + base::printable(error.text(), kMaxReasonBytes);
}

std::string UpstreamHealth::note_failure(const oci::RepositoryName& name, const Error& error) {
  std::string reason = describe_failure(name, error);
  auto downs = downs_.lock();
  if (downs->size() >= kMaxDowns) downs->erase(downs->begin());
  downs->insert_or_assign(is_of_host(error) ? name.domain() : name.to_string(), Down{Clock::now() + pause_, reason});
  return reason;
}

void UpstreamHealth::note_success(const oci::RepositoryName& name) {
  auto downs = downs_.lock();
  downs->erase(name.domain());
  downs->erase(name.to_string());
}

}  // namespace lighterd::distribution
