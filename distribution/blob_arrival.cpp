// SPDX-License-Identifier: Apache-2.0
#include "distribution/blob_arrival.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace lighterd::distribution {
namespace {

// A thousand readers are not woken for every packet; who was not woken looks again after a while.
constexpr std::int64_t kWakeBytes = 64 * 1024;
constexpr std::chrono::milliseconds kWakeInterval{20};
constexpr std::chrono::milliseconds kLookInterval{100};

}  // namespace

void BlobArrival::open(base::UniqueFd file) {
  auto shared = std::make_shared<const base::UniqueFd>(std::move(file));
  const std::lock_guard lock(mutex_);
  file_ = std::move(shared);
}

void BlobArrival::begin_copy() {
  const std::lock_guard lock(mutex_);
  ++copy_;
  ranges_ = {};
  readable_bytes_ = told_bytes_ = 0;
  changed_.notify_all();
}

void BlobArrival::add(imagestore::ByteRange range) {
  const std::lock_guard lock(mutex_);
  ranges_.add(range);
  readable_bytes_ = ranges_.end_of_run(0);
  if (waiters_ == 0 || readable_bytes_ == told_bytes_) return;
  const auto now = Clock::now();
  if (readable_bytes_ - told_bytes_ < kWakeBytes && now - told_at_ < kWakeInterval) return;
  told_bytes_ = readable_bytes_;
  told_at_ = now;
  changed_.notify_all();
}

void BlobArrival::wake() noexcept {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

BlobArrival::View BlobArrival::wait(std::int64_t bytes, const std::function<bool()>& has_ended,
                                    Clock::time_point deadline, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto is_over = [&] { return readable_bytes_ > bytes || has_ended(); };
  ++waiters_;
  const base::Finally leave([this] { --waiters_; });
  for (;;) {
    const auto now = Clock::now();
    const auto until = std::min(deadline, now + kLookInterval);
    if (changed_.wait_until(lock, stop, until, is_over) || now >= deadline) break;
    if (stop.stop_requested()) throw base::Error(base::ErrorCode::kCancelled, "context canceled");
  }
  return {file_, readable_bytes_, copy_};
}

}  // namespace lighterd::distribution
