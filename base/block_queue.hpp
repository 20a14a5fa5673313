// SPDX-License-Identifier: Apache-2.0
// Hands bytes from one thread to another without copying them: a fixed number of blocks goes round, so that whoever is
// faster waits for the other. The producer may also write to it as to a Sink, the consumer read from it as a Source.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <stop_token>
#include <vector>

#include "base/stream.hpp"
#include "base/synchronized.hpp"

namespace lighterd::base {

// One thread on each side. The producer ends with close() or fail(), whatever happens: the consumer waits for it.
class BlockQueue final : public Source {
 public:
  BlockQueue(std::size_t blocks, std::size_t block_bytes);

  // Producer. A free block: waits for one; kCancelled on stop.
  std::span<std::byte> get_space(const std::stop_token& stop);
  // The first used_bytes, more than none, of the block got last go to the consumer.
  void put(std::size_t used_bytes);
  // Copies, waits as get_space.
  void write(Bytes data, const std::stop_token& stop);
  void close() noexcept;
  void fail(std::exception_ptr failure) noexcept;

  // Consumer. The next block, good until the next call; waits. Empty at the end, and for good. After the blocks that
  // were put, rethrows what the producer failed with.
  Bytes next_block();
  // Copies out of the blocks.
  std::size_t read(std::span<std::byte> buffer) override;

 private:
  struct State {
    std::size_t filled = 0;  // blocks that the consumer may have, the one it works on among them
    bool ended = false;
    std::exception_ptr failure = {};
  };
  void end(std::exception_ptr failure) noexcept;

  std::vector<std::vector<std::byte>> blocks_;
  std::vector<std::size_t> used_bytes_;
  std::size_t put_at_ = 0;    // the producer's
  std::size_t take_at_ = 0;   // the consumer's
  bool holds_block_ = false;  // the consumer's
  Bytes unread_;              // the consumer's
  Synchronized<State> state_;
  std::condition_variable_any changed_;
};

}  // namespace lighterd::base
