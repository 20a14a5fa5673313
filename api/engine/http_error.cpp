// SPDX-License-Identifier: Apache-2.0
#include "api/engine/http_error.hpp"

#include "api/http/fault.hpp"

namespace lighterd::api {

using base::ErrorCode;

int http_status(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 400;
    case ErrorCode::kUnauthenticated:
      return 401;
    case ErrorCode::kPermissionDenied:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kConflict:
    case ErrorCode::kAlreadyExists:
      return 409;
    case ErrorCode::kResourceExhausted:
      return 429;
    case ErrorCode::kNotImplemented:
      return 501;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kNoSpace:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kDataLoss:
    case ErrorCode::kInternal:
    case ErrorCode::kCancelled:
      return 500;
  }
  return 500;
}

std::string error_body(std::string_view message) {
  return fault_body(std::string(message));
}

void send_error(Response& response, int status, std::string_view message) {
  response.send(status, kJsonContentType, error_body(message));
}

}  // namespace lighterd::api
