// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/console.hpp"
#include "cli/stop_event.hpp"

namespace lighterd::cli {

// "lighter: <text>" on standard error.
void print_error(std::string_view text) noexcept;

class StandardConsole final : public Console {
 public:
  explicit StandardConsole(std::stop_token stop);
  // Throws kCancelled on a stop, also while nobody reads.
  void write(std::string_view text) override;
  void write_error(std::string_view text) noexcept override;
  std::optional<TerminalSize> find_terminal() const override;

 private:
  StopEvent stop_;
  base::UniqueFd pipe_;  // standard output once more, if it is a pipe: not blocking
};

}  // namespace lighterd::cli
