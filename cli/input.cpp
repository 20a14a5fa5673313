// SPDX-License-Identifier: Apache-2.0
#include "cli/input.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.hpp"
#include "cli/exit_code.hpp"

namespace lighterd::cli {

void Input::Wake::operator()() const noexcept {
  ::eventfd_write(event, 1);
}

Input::Input(base::UniqueFd fd, std::string name_for_errors, std::stop_token stop)
    : fd_(std::move(fd)),
      name_(std::move(name_for_errors)),
      stop_(std::move(stop)),
      stop_event_(::eventfd(0, EFD_CLOEXEC)) {
  if (!stop_event_) throw base::errno_error(errno, "eventfd");
  wake_.emplace(stop_, Wake{stop_event_.get()});
}

std::size_t Input::read(std::span<std::byte> buffer) {
  std::array<pollfd, 2> waits = {pollfd{fd_.get(), POLLIN, 0}, pollfd{stop_event_.get(), POLLIN, 0}};
  for (;;) {
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) throw base::errno_error(errno, name_);
    if (stop_.stop_requested()) throw base::Error(base::ErrorCode::kCancelled, "interrupted");
    if (waits[0].revents == 0) continue;
    const ssize_t count = ::read(fd_.get(), buffer.data(), buffer.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR && errno != EAGAIN) throw base::errno_error(errno, name_);
  }
}

base::UniqueFd open_input(const std::string& path) {
  base::UniqueFd fd(path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw Failure(ExitCode::kUsage, base::errno_error(errno, path).text());
  return fd;
}

}  // namespace lighterd::cli
