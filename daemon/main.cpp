// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <pthread.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "base/error.hpp"
#include "daemon/config.hpp"
#include "daemon/daemon.hpp"

namespace {

using lighterd::base::Logger;
using lighterd::daemon::Config;
using lighterd::daemon::Daemon;

// Half of what SIGTERM may take in all: what is still running then is cancelled and has the other half to end.
constexpr std::chrono::seconds kGrace{5};

// Blocked before any thread starts, so that only sigwait sees them.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

void wait_for_end(const sigset_t& signals, Logger& logger) {
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal != SIGHUP) {
      logger.info("stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
      return;
    }
    logger.info("ignoring SIGHUP: there is no configuration to read again");
  }
}

int run(const Config& config, const std::vector<std::string>& warnings) {
  const sigset_t signals = block_signals();
  Logger logger(config.log_level);
  for (const auto& warning : warnings) logger.warn(warning);
  try {
    Daemon daemon(config, logger);
    wait_for_end(signals, logger);
    daemon.stop(kGrace);
    logger.info("stopped");
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lighterd: %s\n", error.what());
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  // Many short-lived threads: few arenas keep what they freed within reach of each other.
  mallopt(M_ARENA_MAX, 2);
  umask(0077);
  const auto command_line = lighterd::daemon::parse_command_line(argc, argv);
  if (!command_line.config) {
    std::fputs(command_line.text.c_str(), command_line.exit_code == 0 ? stdout : stderr);
    return command_line.exit_code;
  }
  return run(*command_line.config, command_line.warnings);
}
