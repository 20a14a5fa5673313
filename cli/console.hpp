// SPDX-License-Identifier: Apache-2.0
// Where the program writes to.
#pragma once

#include <optional>
#include <string_view>

#include "cli/terminal_progress.hpp"

namespace lighterd::cli {

class Console {
 public:
  virtual ~Console() = default;
  // Whole; throws when standard output does not take it.
  virtual void write(std::string_view text) = 0;
  // "lighter: <text>" on standard error; never throws.
  virtual void write_error(std::string_view text) noexcept = 0;
  // Nothing if standard output is no terminal.
  virtual std::optional<TerminalSize> find_terminal() const = 0;
};

}  // namespace lighterd::cli
