// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <cerrno>
#include <system_error>

namespace lighterd::base {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid-argument";
    case ErrorCode::kUnauthenticated:
      return "unauthenticated";
    case ErrorCode::kPermissionDenied:
      return "permission-denied";
    case ErrorCode::kNotFound:
      return "not-found";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kAlreadyExists:
      return "already-exists";
    case ErrorCode::kNotImplemented:
      return "not-implemented";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kResourceExhausted:
      return "resource-exhausted";
    case ErrorCode::kNoSpace:
      return "no-space";
    case ErrorCode::kDeadlineExceeded:
      return "deadline-exceeded";
    case ErrorCode::kDataLoss:
      return "data-loss";
    case ErrorCode::kInternal:
      return "internal";
    case ErrorCode::kCancelled:
      return "cancelled";
  }
  return "internal";
}

Error::Error(ErrorCode code, std::string message) : code_(code), text_(std::move(message)) {}

void Error::add_context(std::string_view context) {
  text_.insert(0, std::string(context) + ": ");
}

Error errno_error(int errno_value, std::string_view what) {
  ErrorCode code = ErrorCode::kInternal;
  if (errno_value == ENOSPC || errno_value == EDQUOT) code = ErrorCode::kNoSpace;
  if (errno_value == ENOENT) code = ErrorCode::kNotFound;
  return {code, std::string(what) + ": " + std::generic_category().message(errno_value)};
}

}  // namespace lighterd::base
