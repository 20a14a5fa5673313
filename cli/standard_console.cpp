// SPDX-License-Identifier: Apache-2.0
#include "cli/standard_console.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::cli {
namespace {

constexpr std::size_t kMaxErrorBytes = 16 * 1024;

bool is_regular_file(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

// What poll(2) calls writable takes PIPE_BUF bytes without blocking, and not more.
void StandardConsole::write(std::string_view text) {
  const std::size_t piece = is_regular_file(STDOUT_FILENO) ? text.size() : PIPE_BUF;
  while (!text.empty()) {
    stop_.wait(STDOUT_FILENO, POLLOUT);
    const ssize_t count = ::write(STDOUT_FILENO, text.data(), std::min(text.size(), piece));
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EINTR && errno != EAGAIN) {
      throw base::errno_error(errno, "standard output");
    }
  }
}

void print_error(std::string_view text) noexcept {
  try {
    std::fprintf(stderr, "lighter: %s\n", base::printable(text, kMaxErrorBytes).c_str());
  } catch (...) {  // no memory for saying so
    std::fputs("lighter: out of memory\n", stderr);
  }
}

void StandardConsole::write_error(std::string_view text) noexcept {
  print_error(text);
}

std::optional<TerminalSize> StandardConsole::find_terminal() const {
  if (::isatty(STDOUT_FILENO) == 0) return std::nullopt;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return TerminalSize{};
  return TerminalSize{size.ws_col, size.ws_row};
}

}  // namespace lighterd::cli
