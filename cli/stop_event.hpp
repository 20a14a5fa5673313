// SPDX-License-Identifier: Apache-2.0
// Waiting for a descriptor, or for a stop.
#pragma once

#include <optional>
#include <stop_token>

#include "base/file.hpp"

namespace lighterd::cli {

class StopEvent {
 public:
  explicit StopEvent(std::stop_token stop);
  // Blocks until poll(2) reports `events` (POLLIN, POLLOUT), an error or a hang-up. Throws kCancelled on a stop.
  void wait(int fd, short events);

 private:
  struct Wake {
    int event;
    void operator()() const noexcept;
  };
  std::stop_token stop_;
  base::UniqueFd event_;
  std::optional<std::stop_callback<Wake>> wake_;
};

}  // namespace lighterd::cli
