// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_code.hpp"

#include <algorithm>
#include <array>

namespace lighterd::cli {
namespace {

using base::ErrorCode;

bool has_any(std::string_view text, const auto& parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [text](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

// engine-api.md 2.3 and 2.5: pushes report everything in the stream.
constexpr std::array<std::string_view, 9> kDenials = {"access denied",
                                                      "authorization failed",
                                                      "authentication required",
                                                      "no basic auth credentials",
                                                      "unauthorized",
                                                      "denied: ",
                                                      "error from registry: denied",
                                                      "may require 'docker login'",
                                                      "needs a login"};
constexpr std::array<std::string_view, 5> kAbsences = {"tag does not exist", "does not exist locally", "No such image",
                                                       "manifest unknown", "repository name not known"};

}  // namespace

Failure::Failure(ExitCode exit_code, std::string message)
    : base::Error(ErrorCode::kInternal, std::move(message)), exit_code_(exit_code) {}

ExitCode exit_code_of_status(long http_status) {
  if (http_status == 404) return ExitCode::kNotFound;
  return http_status == 401 || http_status == 403 ? ExitCode::kDenied : ExitCode::kFailed;
}

ExitCode exit_code_of_refusal(long http_status, std::string_view text) {
  const ExitCode code = exit_code_of_status(http_status);
  return code == ExitCode::kNotFound && has_any(text, kDenials) ? ExitCode::kDenied : code;
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
