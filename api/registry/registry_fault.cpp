// SPDX-License-Identifier: Apache-2.0
#include "api/registry/registry_fault.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "base/json.hpp"

namespace lighterd::api::registry {
namespace {

struct CodeRow {
  FaultCode code;
  std::string_view name;
  int status;
  std::string_view message;
};

constexpr std::array kCodes = {
    CodeRow{FaultCode::kBlobUnknown, "BLOB_UNKNOWN", 404, "blob unknown to registry"},
    CodeRow{FaultCode::kBlobUploadInvalid, "BLOB_UPLOAD_INVALID", 400, "blob upload invalid"},
    CodeRow{FaultCode::kBlobUploadUnknown, "BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry"},
    CodeRow{FaultCode::kDenied, "DENIED", 403, "requested access to the resource is denied"},
    CodeRow{FaultCode::kDigestInvalid, "DIGEST_INVALID", 400, "provided digest did not match uploaded content"},
    CodeRow{FaultCode::kManifestBlobUnknown, "MANIFEST_BLOB_UNKNOWN", 400, "blob unknown to registry"},
    CodeRow{FaultCode::kManifestInvalid, "MANIFEST_INVALID", 400, "manifest invalid"},
    CodeRow{FaultCode::kManifestUnknown, "MANIFEST_UNKNOWN", 404, "manifest unknown"},
    CodeRow{FaultCode::kManifestUnverified, "MANIFEST_UNVERIFIED", 400, "manifest failed signature verification"},
    CodeRow{FaultCode::kNameInvalid, "NAME_INVALID", 400, "invalid repository name"},
    CodeRow{FaultCode::kNameUnknown, "NAME_UNKNOWN", 404, "repository name not known to registry"},
    CodeRow{FaultCode::kPaginationNumberInvalid, "PAGINATION_NUMBER_INVALID", 400,
            "invalid number of results requested"},
    CodeRow{FaultCode::kRangeInvalid, "RANGE_INVALID", 416, "invalid content range"},
    CodeRow{FaultCode::kSizeInvalid, "SIZE_INVALID", 400, "provided length did not match content length"},
    CodeRow{FaultCode::kTagInvalid, "TAG_INVALID", 400, "manifest tag did not match URI"},
    CodeRow{FaultCode::kTooManyRequests, "TOOMANYREQUESTS", 429, "too many requests"},
    CodeRow{FaultCode::kUnauthorized, "UNAUTHORIZED", 401, "authentication required"},
    CodeRow{FaultCode::kUnavailable, "UNAVAILABLE", 503, "service unavailable"},
    CodeRow{FaultCode::kUnknown, "UNKNOWN", 500, "unknown error"},
    CodeRow{FaultCode::kUnsupported, "UNSUPPORTED", 405, "the operation is unsupported"},
};

const CodeRow& row_of(FaultCode code) {
  for (const CodeRow& row : kCodes)
    if (row.code == code) return row;
  return kCodes.back();
}

// For who catches an Error and knows nothing of registries.
base::ErrorCode error_code(int status) {
  switch (status) {
    case 401:
      return base::ErrorCode::kUnauthenticated;
    case 403:
      return base::ErrorCode::kPermissionDenied;
    case 404:
      return base::ErrorCode::kNotFound;
    case 503:
      return base::ErrorCode::kUnavailable;
    default:
      return status >= 500 ? base::ErrorCode::kInternal : base::ErrorCode::kInvalidArgument;
  }
}

std::string message_of(const FaultEntry& entry) {
  return entry.message.empty() ? std::string(default_message(entry.code)) : entry.message;
}

}  // namespace

std::string_view to_string(FaultCode code) {
  return row_of(code).name;
}

int default_status(FaultCode code) {
  return row_of(code).status;
}

std::string_view default_message(FaultCode code) {
  return row_of(code).message;
}

RegistryFault::RegistryFault(int status, std::vector<FaultEntry> entries, Headers headers)
    : Error(error_code(status), std::string(to_string(entries.front().code)) + ": " + message_of(entries.front())),
      entries_(std::move(entries)),
      status_(status),
      headers_(std::move(headers)) {}

RegistryFault::RegistryFault(std::vector<FaultEntry> entries, Headers headers)
    : RegistryFault(default_status(entries.front().code), entries, std::move(headers)) {}

RegistryFault::RegistryFault(FaultCode code, std::string message, std::string detail)
    : RegistryFault(std::vector{FaultEntry{code, std::move(message), std::move(detail)}}) {}

RegistryFault::RegistryFault(int status, FaultEntry entry, Headers headers)
    : RegistryFault(status, std::vector{std::move(entry)}, std::move(headers)) {}

std::string RegistryFault::body() const {
  auto errors = nlohmann::ordered_json::array();
  for (const FaultEntry& entry : entries_) {
    nlohmann::ordered_json error;
    error["code"] = std::string(to_string(entry.code));
    error["message"] = message_of(entry);
    if (!entry.detail.empty()) error["detail"] = nlohmann::ordered_json::parse(entry.detail);
    errors.push_back(std::move(error));
  }
  nlohmann::ordered_json root;
  root["errors"] = std::move(errors);
  return base::to_text(root) + "\n";
}

}  // namespace lighterd::api::registry
