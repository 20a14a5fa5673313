// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and its kin as a stop token.
#pragma once

#include <csignal>
#include <stop_token>
#include <thread>

namespace lighterd::cli {

// SIGINT, SIGTERM and SIGHUP, as far as the program was not started with them ignored (nohup): the first requests the
// stop, the second ends the program at once with 130, whatever it waits for. Made before any other thread.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  std::stop_token token() const { return stop_.get_token(); }

 private:
  void watch(const std::stop_token& ending);
  sigset_t signals_{};
  std::stop_source stop_;
  std::jthread watcher_;
};

}  // namespace lighterd::cli
