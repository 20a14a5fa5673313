// SPDX-License-Identifier: Apache-2.0
#include "cli/standard_console.hpp"

#include <fcntl.h>
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

::mode_t type_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? status.st_mode & S_IFMT : 0;
}

// Standard output itself must keep blocking: others write to it as well.
base::UniqueFd open_pipe_again() {
  if (type_of(STDOUT_FILENO) != S_IFIFO) return {};
  return base::UniqueFd(::open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC));
}

}  // namespace

StandardConsole::StandardConsole(std::stop_token stop) : stop_(std::move(stop)), pipe_(open_pipe_again()) {}

// What poll(2) calls writable takes PIPE_BUF bytes without blocking, and not more.
void StandardConsole::write(std::string_view text) {
  const int fd = pipe_ ? pipe_.get() : STDOUT_FILENO;
  const std::size_t piece = pipe_ || type_of(fd) == S_IFREG ? text.size() : PIPE_BUF;
  while (!text.empty()) {
    stop_.wait(fd, POLLOUT);
    const ssize_t count = ::write(fd, text.data(), std::min(text.size(), piece));
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
