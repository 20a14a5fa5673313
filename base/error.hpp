// SPDX-License-Identifier: Apache-2.0
// The one exception type of the project. An Error is thrown where something is known to be wrong and caught
// where something can be done about it: a retry loop, a transfer job, a route's edge, main. It is never
// logged and thrown as well. Messages are lower case where they are ours, without a full stop, and never
// hold a secret; texts that Docker clients match on are kept as Docker writes them.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace lighterd::base {

// The closed set. api/engine/http_error.cpp is the only place that turns a code into an HTTP status.
enum class ErrorCode {
  kInvalidArgument,    // the caller's input: reference, JSON, platform
  kUnauthenticated,    // a registry refused the credentials
  kPermissionDenied,   // refused by policy, reserved name
  kNotFound,           // image, manifest, blob
  kConflict,           // in use, ambiguous by state
  kAlreadyExists,      //
  kNotImplemented,     // an endpoint or media type that we do not do
  kUnavailable,        // registry or store busy, shutting down, not reachable for now
  kResourceExhausted,  // a registry's rate limit
  kNoSpace,            // the disk or a quota is full; never retried
  kDeadlineExceeded,   // no progress within the time allowed
  kDataLoss,           // content does not match its digest, size or diff ID
  kInternal,           // everything else: disk, bugs
  kCancelled,          // a stop was requested, or the client is gone
};

std::string_view to_string(ErrorCode code);

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message);

  ErrorCode code() const noexcept { return code_; }
  // Contexts and message, outermost first, joined by ": ".
  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& text() const noexcept { return text_; }

  // Puts "<context>: " in front. Used at three seams only: operation, object, transport.
  void add_context(std::string_view context);

 private:
  ErrorCode code_;
  std::string text_;
};

// kNoSpace for ENOSPC and EDQUOT, kNotFound for ENOENT, otherwise kInternal; the text is "<what>: <strerror>".
Error errno_error(int errno_value, std::string_view what);

// Runs when the scope is left; for the few things that are not handles.
template <typename F>
class Finally {
 public:
  explicit Finally(F action) : action_(std::move(action)) {}
  ~Finally() { action_(); }
  Finally(const Finally&) = delete;
  Finally& operator=(const Finally&) = delete;

 private:
  F action_;
};

}  // namespace lighterd::base
