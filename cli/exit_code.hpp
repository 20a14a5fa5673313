// SPDX-License-Identifier: Apache-2.0
// What the program says to the shell: docs/lighter.md has the table that scripts rely on.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace lighterd::cli {

enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,       // the daemon or a registry
  kUsage = 2,        // the command line, or a file that it names
  kUnreachable = 3,  // no daemon there
  kNotFound = 4,     // image, tag or repository
  kDenied = 5,       // access, or a login is needed
  kNoSpace = 6,      // plan: more than the disk has
  kInterrupted = 130,
};

// An Error that knows how the program ends; its code says nothing.
class Failure : public base::Error {
 public:
  Failure(ExitCode exit_code, std::string message);
  ExitCode exit_code() const noexcept { return exit_code_; }

 private:
  ExitCode exit_code_;
};

// Of the daemon's answer, other than success.
ExitCode exit_code_of_status(long http_status);
// The same by its text as well: a registry says "not found" of what it hides from strangers.
ExitCode exit_code_of_refusal(long http_status, std::string_view text);
// Of the text of an error record: once a stream has begun there is no status any more, only Docker's texts.
ExitCode exit_code_of_text(std::string_view text);
ExitCode exit_code_of(const std::exception& error);

}  // namespace lighterd::cli
