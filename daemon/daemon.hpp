// SPDX-License-Identifier: Apache-2.0
// The composition root: builds everything from a Config, owns it, and ends it in the right order.
#pragma once

#include <chrono>
#include <memory>

#include "base/log.hpp"
#include "daemon/config.hpp"

namespace lighterd::daemon {

class Daemon {
 public:
  // Opens the store and listens; serving has begun when it returns. Throws what those throw.
  Daemon(const Config& config, base::Logger& logger);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Running requests get `grace` to end, then they are cancelled. Idempotent.
  void stop(std::chrono::milliseconds grace);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace lighterd::daemon
