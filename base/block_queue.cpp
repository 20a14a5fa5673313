// SPDX-License-Identifier: Apache-2.0
#include "base/block_queue.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace lighterd::base {

BlockQueue::BlockQueue(std::size_t blocks, std::size_t block_bytes)
    : blocks_(blocks, std::vector<std::byte>(block_bytes)), used_bytes_(blocks, 0) {}

std::span<std::byte> BlockQueue::get_space(const std::stop_token& stop) {
  auto state = state_.lock();
  if (!state.wait(changed_, stop, [&] { return state->filled < blocks_.size(); }))
    throw Error(ErrorCode::kCancelled, "context canceled");
  return blocks_[put_at_];
}

void BlockQueue::put(std::size_t used_bytes) {
  used_bytes_[put_at_] = used_bytes;
  put_at_ = (put_at_ + 1) % blocks_.size();
  ++state_.lock()->filled;
  changed_.notify_all();
}

void BlockQueue::write(Bytes data, const std::stop_token& stop) {
  while (!data.empty()) {
    const auto space = get_space(stop);
    const std::size_t count = std::min(space.size(), data.size());
    std::copy_n(data.begin(), count, space.begin());
    put(count);
    data = data.subspan(count);
  }
}

void BlockQueue::close() noexcept {
  end(nullptr);
}

void BlockQueue::fail(std::exception_ptr failure) noexcept {
  end(std::move(failure));
}

void BlockQueue::end(std::exception_ptr failure) noexcept {
  {
    auto state = state_.lock();
    state->ended = true;
    state->failure = std::move(failure);
  }
  changed_.notify_all();
}

Bytes BlockQueue::next_block() {
  auto state = state_.lock();
  if (std::exchange(holds_block_, false)) {
    --state->filled;
    changed_.notify_all();
  }
  state.wait(changed_, {}, [&] { return state->filled > 0 || state->ended; });
  if (state->filled == 0 && state->failure) std::rethrow_exception(state->failure);
  if (state->filled == 0) return {};
  holds_block_ = true;
  const std::size_t at = std::exchange(take_at_, (take_at_ + 1) % blocks_.size());
  return Bytes(blocks_[at]).first(used_bytes_[at]);
}

std::size_t BlockQueue::read(std::span<std::byte> buffer) {
  if (unread_.empty()) unread_ = next_block();
  const std::size_t count = std::min(buffer.size(), unread_.size());
  std::copy_n(unread_.begin(), count, buffer.begin());
  unread_ = unread_.subspan(count);
  return count;
}

}  // namespace lighterd::base
