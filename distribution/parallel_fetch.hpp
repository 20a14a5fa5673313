// SPDX-License-Identifier: Apache-2.0
// One large blob over several connections: the calling thread verifies in order what the others bring. Connections are
// added as long as that makes it faster.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "distribution/blob_fetch.hpp"

namespace lighterd::distribution {

// For one thread.
class ParallelFetch {
 public:
  ParallelFetch(imagestore::PartialBlob& blob, Transfer& transfer, const ParallelOptions& options, int connections,
                const std::stop_token& stop);
  ~ParallelFetch();  // ends the connections, and joins their threads

  // Blocks until the blob is here and verified. False, with what arrived so far, if the registry does not serve parts.
  // A connection that fails leaves its segment to the others; the last one's failure is thrown.
  bool run();

 private:
  using Clock = std::chrono::steady_clock;

  void add_connection();
  void fetch_segments(const std::stop_token& stop) noexcept;
  std::optional<imagestore::ByteRange> take_segment();
  bool give_back(const imagestore::ByteRange& segment);
  void end_connections();
  void adapt();
  bool has_ended();

  imagestore::PartialBlob& blob_;
  Transfer& transfer_;
  const ParallelOptions options_;
  const int first_connections_;
  const std::int64_t segment_bytes_;
  const std::stop_token& stop_;

  std::atomic<bool> is_settled_ = false;  // no more connections
  std::mutex mutex_;                      // of what follows
  std::condition_variable_any changed_;
  std::int64_t next_begin_ = 0;                    // segments before it are taken
  std::vector<imagestore::ByteRange> given_back_;  // segments whose connection failed
  int busy_ = 0;                                   // connections
  bool parts_refused_ = false;
  std::function<void()> rethrow_;  // what the last connection threw

  // Of the calling thread alone.
  Clock::time_point measured_at_;
  std::int64_t measured_bytes_ = 0;
  double best_rate_ = 0;

  std::list<std::jthread> threads_;  // last: they end first
};

}  // namespace lighterd::distribution
