// SPDX-License-Identifier: Apache-2.0
#include "cli/standard_console.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "base/encoding.hpp"
#include "base/file.hpp"

namespace lighterd::cli {
namespace {

constexpr std::size_t kMaxErrorBytes = 16 * 1024;

}  // namespace

void StandardConsole::write(std::string_view text) {
  base::write_all(STDOUT_FILENO, base::as_bytes(text), "standard output");
}

void StandardConsole::write_error(std::string_view text) noexcept {
  try {
    std::fprintf(stderr, "lighter: %s\n", base::printable(text, kMaxErrorBytes).c_str());
  } catch (...) {  // no memory for saying so
    std::fputs("lighter: out of memory\n", stderr);
  }
}

std::optional<TerminalSize> StandardConsole::find_terminal() const {
  if (::isatty(STDOUT_FILENO) == 0) return std::nullopt;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return TerminalSize{};
  return TerminalSize{size.ws_col, size.ws_row};
}

}  // namespace lighterd::cli
