// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/console.hpp"

namespace lighterd::cli {

class StandardConsole final : public Console {
 public:
  void write(std::string_view text) override;
  void write_error(std::string_view text) noexcept override;
  std::optional<TerminalSize> find_terminal() const override;
};

}  // namespace lighterd::cli
