// SPDX-License-Identifier: Apache-2.0
// How a request to the registry fails: {"errors":[{"code","message","detail"}]}, its status, and its headers
// (registry-protocol.md A13, B1).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace lighterd::api::registry {

// The closed set of the distribution spec and of docker's distribution.
enum class FaultCode {
  kBlobUnknown,
  kBlobUploadInvalid,
  kBlobUploadUnknown,
  kDenied,
  kDigestInvalid,
  kManifestBlobUnknown,
  kManifestInvalid,
  kManifestUnknown,
  kManifestUnverified,
  kNameInvalid,
  kNameUnknown,
  kPaginationNumberInvalid,
  kRangeInvalid,
  kSizeInvalid,
  kTagInvalid,
  kTooManyRequests,
  kUnauthorized,
  kUnavailable,
  kUnknown,
  kUnsupported,
};

std::string_view to_string(FaultCode code);        // "BLOB_UNKNOWN"
int default_status(FaultCode code);                // registry-protocol.md A13
std::string_view default_message(FaultCode code);  // "blob unknown to registry"

struct FaultEntry {
  FaultCode code;
  std::string message;      // empty: the code's own
  std::string detail = {};  // JSON text; empty: none
};

// An Error so that whoever catches those catches this.
class RegistryFault : public base::Error {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  // The status of the first entry; there is at least one.
  explicit RegistryFault(std::vector<FaultEntry> entries, Headers headers = {});
  RegistryFault(FaultCode code, std::string message, std::string detail = {});
  RegistryFault(int status, FaultEntry entry, Headers headers = {});
  RegistryFault(int status, std::vector<FaultEntry> entries, Headers headers = {});

  int status() const { return status_; }
  const Headers& headers() const { return headers_; }
  std::string body() const;

 private:
  std::vector<FaultEntry> entries_;
  int status_;
  Headers headers_;
};

}  // namespace lighterd::api::registry
