// SPDX-License-Identifier: Apache-2.0
// What of a blob on its way in can be read already: its connections say what they wrote, and any number of readers
// follow in the same file.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>

#include "base/file.hpp"
#include "imagestore/byte_ranges.hpp"

namespace lighterd::distribution {

// Thread-safe.
class BlobArrival {
 public:
  using File = std::shared_ptr<const base::UniqueFd>;

  // For the transfer, before anything arrives: where the bytes will be.
  void open(base::UniqueFd file);
  // A copy of the blob begins; nothing that came before is a part of it.
  void begin_copy();
  // These bytes of the copy are in the file now.
  void add(imagestore::ByteRange range);
  // What has_ended() below tells may have changed.
  void wake() noexcept;

  struct View {
    File file;                        // null before open()
    std::int64_t readable_bytes = 0;  // of the copy, from the blob's begin on without a gap
    int copy = 0;                     // they count up
  };
  // Blocks until more than `bytes` are readable, has_ended() (which must not block), or the deadline. kCancelled.
  View wait(std::int64_t bytes, const std::function<bool()>& has_ended, std::chrono::steady_clock::time_point deadline,
            const std::stop_token& stop);

 private:
  using Clock = std::chrono::steady_clock;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  File file_;
  imagestore::ByteRanges ranges_;
  std::int64_t readable_bytes_ = 0;
  int copy_ = 0;
  std::size_t waiters_ = 0;
  std::int64_t told_bytes_ = 0;  // of readable_bytes_, when waiters were woken last
  Clock::time_point told_at_;
};

}  // namespace lighterd::distribution
