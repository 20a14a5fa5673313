// SPDX-License-Identifier: Apache-2.0
#include "api/registry/failure.hpp"

#include "distribution/registry_error.hpp"

namespace lighterd::api::registry {
namespace {

using base::ErrorCode;

RegistryFault fault_of_upstream(const distribution::RegistryError& error, FaultCode unknown) {
  const std::string text = "upstream: " + error.text();
  if (error.status() == 404) return RegistryFault(unknown, text);
  if (error.status() == 401 || error.status() == 403) return RegistryFault(FaultCode::kDenied, text);
  if (error.status() == 429) return RegistryFault(FaultCode::kTooManyRequests, text);
  return RegistryFault(502, FaultEntry{FaultCode::kUnavailable, text});
}

RegistryFault fault_of(const base::Error& error, FaultCode unknown) {
  switch (error.code()) {
    case ErrorCode::kNotFound:
      return RegistryFault(unknown, "");
    case ErrorCode::kInvalidArgument:
      return RegistryFault(400, FaultEntry{FaultCode::kUnknown, error.text()});
    case ErrorCode::kPermissionDenied:
      return RegistryFault(FaultCode::kUnsupported, error.text());
    case ErrorCode::kConflict:
      return RegistryFault(405, FaultEntry{FaultCode::kDenied, error.text()});
    case ErrorCode::kResourceExhausted:
      return RegistryFault(FaultCode::kTooManyRequests, error.text());
    case ErrorCode::kUnavailable:
      return RegistryFault(FaultCode::kUnavailable, error.text());
    case ErrorCode::kDeadlineExceeded:
      return RegistryFault(504, FaultEntry{FaultCode::kUnavailable, error.text()});
    case ErrorCode::kNoSpace:
      return RegistryFault(507, FaultEntry{FaultCode::kUnknown, "No space left on device"});
    default:
      return RegistryFault(FaultCode::kUnknown, "the registry failed; its log says why");
  }
}

}  // namespace

Failure failure_of(const base::Error& error, FaultCode unknown) {
  if (const auto* fault = dynamic_cast<const RegistryFault*>(&error)) return {*fault, fault->text()};
  if (const auto* upstream = dynamic_cast<const distribution::RegistryError*>(&error))
    return {fault_of_upstream(*upstream, unknown), error.text()};
  return {fault_of(error, unknown), error.text()};
}

}  // namespace lighterd::api::registry
