// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_code.hpp"

#include <algorithm>
#include <array>

namespace lighterd::cli {
namespace {

using base::ErrorCode;

ErrorCode error_code_of(ExitCode code) {
  switch (code) {
    case ExitCode::kUsage:
      return ErrorCode::kInvalidArgument;
    case ExitCode::kUnreachable:
      return ErrorCode::kUnavailable;
    case ExitCode::kNotFound:
      return ErrorCode::kNotFound;
    case ExitCode::kDenied:
      return ErrorCode::kPermissionDenied;
    case ExitCode::kNoSpace:
      return ErrorCode::kNoSpace;
    case ExitCode::kInterrupted:
      return ErrorCode::kCancelled;
    case ExitCode::kDone:
    case ExitCode::kFailed:
      break;
  }
  return ErrorCode::kInternal;
}

bool has_any(std::string_view text, const auto& parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [text](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

// engine-api.md 2.3 and 2.5: pushes report everything in the stream.
constexpr std::array<std::string_view, 7> kDenials = {"access denied",
                                                      "authorization failed",
                                                      "authentication required",
                                                      "no basic auth credentials",
                                                      "unauthorized",
                                                      "denied: ",
                                                      "error from registry: denied"};
constexpr std::array<std::string_view, 5> kAbsences = {"tag does not exist", "does not exist locally", "No such image",
                                                       "manifest unknown", "repository name not known"};

}  // namespace

Failure::Failure(ExitCode exit_code, std::string message)
    : base::Error(error_code_of(exit_code), std::move(message)), exit_code_(exit_code) {}

ExitCode exit_code_of_status(long http_status) {
  if (http_status == 404) return ExitCode::kNotFound;
  return http_status == 401 || http_status == 403 ? ExitCode::kDenied : ExitCode::kFailed;
}

ExitCode exit_code_of_text(std::string_view text) {
  if (has_any(text, kDenials)) return ExitCode::kDenied;
  return has_any(text, kAbsences) ? ExitCode::kNotFound : ExitCode::kFailed;
}

ExitCode exit_code_of(const std::exception& error) {
  if (const auto* failure = dynamic_cast<const Failure*>(&error)) return failure->exit_code();
  const auto* ours = dynamic_cast<const base::Error*>(&error);
  return ours != nullptr && ours->code() == ErrorCode::kCancelled ? ExitCode::kInterrupted : ExitCode::kFailed;
}

}  // namespace lighterd::cli
