// SPDX-License-Identifier: Apache-2.0
#include "cli/input.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"
#include "cli/exit_code.hpp"

namespace lighterd::cli {

Input::Input(base::UniqueFd fd, std::string name_for_errors, std::stop_token stop)
    : fd_(std::move(fd)), name_(std::move(name_for_errors)), stop_(std::move(stop)) {}

std::size_t Input::read(std::span<std::byte> buffer) {
  for (;;) {
    stop_.wait(fd_.get(), POLLIN);
    const ssize_t count = ::read(fd_.get(), buffer.data(), buffer.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR && errno != EAGAIN) throw base::errno_error(errno, name_);
  }
}

base::UniqueFd open_input(const std::string& path) {
  base::UniqueFd fd(path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw Failure(ExitCode::kUsage, base::errno_error(errno, path).text());
  struct stat status {};
  if (::fstat(fd.get(), &status) == 0 && S_ISDIR(status.st_mode))
    throw Failure(ExitCode::kUsage, base::errno_error(EISDIR, path).text());
  return fd;
}

}  // namespace lighterd::cli
