// SPDX-License-Identifier: Apache-2.0
#include "distribution/parallel_fetch.hpp"

#include <algorithm>
#include <system_error>

#include "base/error.hpp"
#include "distribution/error_copy.hpp"
#include "distribution/part_fetch.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;
using imagestore::ByteRange;

constexpr std::int64_t kVerifyBytes = 4 * 1024 * 1024;
// So much may wait to be verified before it is the processor that is slow, not the network.
constexpr std::int64_t kMaxBacklogBytes = 64 * 1024 * 1024;
constexpr double kWorthIt = 1.15;
constexpr std::chrono::milliseconds kPoll{20};

// Large enough to outweigh a request, small enough that the verification, which goes in order, stays close behind.
std::int64_t segment_size(std::int64_t blob_bytes) {
  constexpr std::int64_t kMiB = 1024 * 1024;
  return std::clamp(blob_bytes / 64, 8 * kMiB, 64 * kMiB);
}

}  // namespace

ParallelFetch::ParallelFetch(imagestore::PartialBlob& blob, Transfer& transfer, const ParallelOptions& options,
                             int connections, const std::stop_token& stop)
    : blob_(blob),
      transfer_(transfer),
      options_(options),
      first_connections_(connections),
      segment_bytes_(segment_size(blob.descriptor().size_bytes)),
      stop_(stop),
      measured_at_(Clock::now()),
      measured_bytes_(blob.arrived_bytes()) {}

ParallelFetch::~ParallelFetch() {
  end_connections();
}

void ParallelFetch::add_connection() {
  {
    const std::lock_guard lock(mutex_);
    ++busy_;
  }
  try {
    threads_.emplace_back([this](const std::stop_token& stop) { fetch_segments(stop); });
  } catch (const std::system_error&) {  // too many threads: those there are do it
    const std::lock_guard lock(mutex_);
    --busy_;
    is_settled_ = true;
    if (busy_ == 0) throw Error(ErrorCode::kUnavailable, "cannot fetch: no thread is to be had");
  }
}

void ParallelFetch::end_connections() {
  for (auto& thread : threads_) thread.request_stop();
  threads_.clear();
}

std::optional<ByteRange> ParallelFetch::take_segment() {
  const std::lock_guard lock(mutex_);
  if (parts_refused_ || rethrow_) return std::nullopt;
  while (!given_back_.empty()) {
    const ByteRange segment = given_back_.back();
    given_back_.pop_back();
    if (auto gap = blob_.find_gap(segment.begin, segment.end)) return gap;
  }
  auto gap = blob_.find_gap(next_begin_, blob_.descriptor().size_bytes);
  if (!gap) return std::nullopt;
  gap->end = std::min(gap->end, gap->begin + segment_bytes_);
  next_begin_ = gap->end;
  return gap;
}

// For a connection that failed: whether there are others to bring its segment. A registry may not like so many.
bool ParallelFetch::give_back(const ByteRange& segment) {
  const std::lock_guard lock(mutex_);
  if (busy_ < 2) return false;
  given_back_.push_back(segment);
  is_settled_ = true;
  --busy_;
  changed_.notify_all();
  return true;
}

// As long as there are others a connection gives up early; the last one takes what patience there is.
void ParallelFetch::fetch_segments(const std::stop_token& stop) noexcept {
  constexpr int kAttemptsBesideOthers = 2;
  bool refused = false;
  std::function<void()> rethrow;
  try {
    while (auto segment = take_segment()) {
      try {
        PartFetch(blob_, *segment, transfer_,
                  {.on_bytes = {}, .parts_only = true, .max_attempts = kAttemptsBesideOthers})
            .run(stop);
        continue;
      } catch (const Error& error) {
        if (error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kNoSpace) throw;
      }
      if (give_back(*segment)) return;
      while ((segment = blob_.find_gap(segment->begin, segment->end)))
        PartFetch(blob_, *segment, transfer_, {.on_bytes = {}, .parts_only = true}).run(stop);
    }
  } catch (const WholeBlobSent&) {
    refused = true;
  } catch (...) {
    rethrow = copy_current_error();
  }
  const std::lock_guard lock(mutex_);
  --busy_;
  parts_refused_ = parts_refused_ || refused;
  if (!rethrow_) rethrow_ = std::move(rethrow);
  changed_.notify_all();
}

// More connections as long as each doubling brings more bytes a second, and the verification keeps up.
void ParallelFetch::adapt() {
  const auto now = Clock::now();
  if (is_settled_ || now - measured_at_ < options_.interval) return;
  const std::int64_t arrived = blob_.arrived_bytes();
  const double rate =
      static_cast<double>(arrived - measured_bytes_) / std::chrono::duration<double>(now - measured_at_).count();
  measured_at_ = now;
  measured_bytes_ = arrived;
  const int connections = static_cast<int>(threads_.size());
  if (arrived - blob_.verified_bytes() > kMaxBacklogBytes || connections >= options_.max_connections) return;
  if (rate < best_rate_ * kWorthIt) {
    is_settled_ = true;
    return;
  }
  best_rate_ = rate;
  for (int added = 0; added < connections && connections + added < options_.max_connections; ++added) add_connection();
}

bool ParallelFetch::has_ended() {
  const std::lock_guard lock(mutex_);
  return busy_ == 0 || parts_refused_ || rethrow_;
}

bool ParallelFetch::run() {
  for (int i = 0; i < first_connections_; ++i) add_connection();
  while (!has_ended()) {
    if (stop_.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
    adapt();
    if (blob_.verify_arrived(kVerifyBytes)) continue;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop_, kPoll, [this] { return busy_ == 0; });
  }
  end_connections();
  if (rethrow_ && !parts_refused_) rethrow_();
  if (parts_refused_) return false;
  while (blob_.verify_arrived(kVerifyBytes)) {
    if (stop_.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
  }
  return blob_.is_complete();
}

}  // namespace lighterd::distribution
