// SPDX-License-Identifier: Apache-2.0
#include "cli/stop_event.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>

#include "base/error.hpp"

namespace lighterd::cli {

void StopEvent::Wake::operator()() const noexcept {
  ::eventfd_write(event, 1);
}

StopEvent::StopEvent(std::stop_token stop) : stop_(std::move(stop)), event_(::eventfd(0, EFD_CLOEXEC)) {
  if (!event_) throw base::errno_error(errno, "eventfd");
  wake_.emplace(stop_, Wake{event_.get()});
}

void StopEvent::wait(int fd, short events) {
  std::array<pollfd, 2> waits = {pollfd{fd, events, 0}, pollfd{event_.get(), POLLIN, 0}};
  for (;;) {
    const int count = ::poll(waits.data(), waits.size(), -1);
    if (count < 0 && errno != EINTR) throw base::errno_error(errno, "poll");
    if (stop_.stop_requested()) throw base::Error(base::ErrorCode::kCancelled, "interrupted");
    if (count > 0 && waits[0].revents != 0) return;
  }
}

}  // namespace lighterd::cli
