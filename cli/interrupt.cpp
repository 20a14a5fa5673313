// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.hpp"

#include <pthread.h>
#include <unistd.h>

#include "cli/exit_code.hpp"

namespace lighterd::cli {
namespace {

// Wakes the watcher up at the end; nobody else sends it to that thread.
constexpr int kWakeUp = SIGUSR1;

bool is_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

Interrupt::Interrupt() {
  sigemptyset(&signals_);
  sigaddset(&signals_, kWakeUp);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (!is_ignored(signal)) sigaddset(&signals_, signal);
  }
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  watcher_ = std::jthread([this](const std::stop_token& ending) { watch(ending); });
}

Interrupt::~Interrupt() {
  watcher_.request_stop();
  pthread_kill(watcher_.native_handle(), kWakeUp);
}

void Interrupt::watch(const std::stop_token& ending) {
  for (;;) {
    int signal = 0;
    if (sigwait(&signals_, &signal) != 0) continue;
    if (ending.stop_requested()) return;
    if (signal == kWakeUp) continue;
    if (!stop_.request_stop()) ::_exit(static_cast<int>(ExitCode::kInterrupted));
  }
}

}  // namespace lighterd::cli
