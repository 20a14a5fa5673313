// SPDX-License-Identifier: Apache-2.0
#include "imagestore/serial_worker.hpp"

namespace lighterd::imagestore {

SerialWorker::~SerialWorker() {
  thread_.request_stop();
}

void SerialWorker::add(std::function<void()> work) {
  if (!thread_.joinable()) thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  {
    auto state = state_.lock();
    state.wait(changed_, {}, [&] { return state->pending.size() < max_pending_; });
    if (state->error) std::rethrow_exception(state->error);
    state->pending.push_back(std::move(work));
  }
  changed_.notify_all();
}

void SerialWorker::wait() {
  auto state = state_.lock();
  state.wait(changed_, {}, [&] { return state->pending.empty(); });
  if (state->error) std::rethrow_exception(state->error);
}

void SerialWorker::run(const std::stop_token& stop) noexcept {
  for (;;) {
    const std::function<void()>* work = nullptr;
    {
      auto state = state_.lock();
      if (!state.wait(changed_, stop, [&] { return !state->pending.empty(); }) || stop.stop_requested()) return;
      work = &state->pending.front();  // stays where it is while others are put behind it
    }
    std::exception_ptr error;
    try {
      (*work)();
    } catch (...) {
      error = std::current_exception();
    }
    finish_first(std::move(error));
  }
}

void SerialWorker::finish_first(std::exception_ptr error) {
  {
    auto state = state_.lock();
    state->pending.pop_front();
    if (error) {
      state->error = std::move(error);
      state->pending.clear();
    }
  }
  changed_.notify_all();
}

}  // namespace lighterd::imagestore
