// SPDX-License-Identifier: Apache-2.0
#include "distribution/blob_fetch.hpp"

#include <ctime>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "distribution/parallel_fetch.hpp"
#include "distribution/part_fetch.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;
using imagestore::PartialBlob;

using Clock = std::chrono::steady_clock;

// More connections are worth it: the one there is leaves its thread waiting.
struct GoParallel {};

std::chrono::nanoseconds thread_cpu_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// Whether the network is what a thread waits for: it uses less than half of a processor while bytes come in.
class NetworkBound {
 public:
  explicit NetworkBound(std::chrono::milliseconds interval) : interval_(interval) {}

  // After bytes have arrived.
  bool check() {
    const auto now = Clock::now();
    // From the first bytes on: how long a server takes to answer says nothing of its speed.
    if (start_ == Clock::time_point()) {
      start_ = now;
      cpu_start_ = thread_cpu_time();
    }
    if (now - start_ < interval_) return false;
    const auto cpu = thread_cpu_time();
    const bool is_bound = (cpu - cpu_start_) * 2 < now - start_;
    start_ = now;
    cpu_start_ = cpu;
    return is_bound;
  }

 private:
  std::chrono::milliseconds interval_;
  Clock::time_point start_;
  std::chrono::nanoseconds cpu_start_{0};
};

class BlobFetch {
 public:
  BlobFetch(PartialBlob& blob, Transfer& transfer, const ParallelOptions& options, const std::stop_token& stop)
      : blob_(blob), transfer_(transfer), options_(options), stop_(stop) {}

  void run() {
    transfer_.set_current_bytes(blob_.arrived_bytes());
    tell_what_is_here();
    if (!try_parallel_after_resume()) run_serial();
    while (blob_.verify_arrived(kCatchUpBytes)) check_stop();
  }

 private:
  bool is_large(std::int64_t bytes) const { return bytes >= options_.from_bytes && options_.max_connections > 1; }
  std::int64_t missing_bytes() const { return blob_.descriptor().size_bytes - blob_.arrived_bytes(); }

  void check_stop() const {
    if (stop_.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
  }

  // A gap ends where the next of the ranges that an earlier run left begins.
  void tell_what_is_here() {
    transfer_.arrival().begin_copy();
    const std::int64_t size = blob_.descriptor().size_bytes;
    for (std::int64_t position = 0; position < size;) {
      const auto gap = blob_.find_gap(position, size);
      transfer_.arrival().add({position, gap ? gap->begin : size});
      position = gap ? gap->end : size;
    }
  }

  // What an earlier run left has to be read and hashed: the rest is fetched meanwhile.
  bool try_parallel_after_resume() {
    if (blob_.arrived_bytes() == blob_.verified_bytes() || !is_large(missing_bytes())) return false;
    return ParallelFetch(blob_, transfer_, options_, 1, stop_).run();
  }

  // Over one connection, hashed as it arrives; goes on over several once that pays.
  void run_serial() {
    while (const auto gap = blob_.find_gap(0, blob_.descriptor().size_bytes)) {
      check_stop();
      while (blob_.verified_bytes() < gap->begin && blob_.verify_arrived(kCatchUpBytes)) check_stop();
      try {
        fetch_gap(*gap);
      } catch (const GoParallel&) {
        // Refused after all: from another endpoint, say.
        if (ParallelFetch(blob_, transfer_, options_, 2, stop_).run()) return;
      }
    }
  }

  void fetch_gap(const imagestore::ByteRange& gap) {
    NetworkBound network_bound(options_.interval);
    const PartFetch* running = nullptr;
    PartFetch fetch(blob_, gap, transfer_, {.on_bytes = [&](std::int64_t position, base::Bytes data) {
                      blob_.verify(position, data);
                      if (!running->has_parts() || !is_large(gap.end - position)) return;
                      if (network_bound.check()) throw GoParallel();
                    }});
    running = &fetch;
    fetch.run(stop_);
  }

  static constexpr std::int64_t kCatchUpBytes = 8 * 1024 * 1024;
  PartialBlob& blob_;
  Transfer& transfer_;
  const ParallelOptions& options_;
  const std::stop_token& stop_;
};

// Damaged compression of content that has the right digest is the image's own, and stays.
bool is_worth_another(const Error& error, const PartialBlob& blob) {
  return error.code() == ErrorCode::kDataLoss && blob.arrived_bytes() == 0;
}

}  // namespace

void fetch_blob(imagestore::ContentStore& content, const imagestore::Lease& lease, const oci::Descriptor& descriptor,
                imagestore::BlobKind kind, Transfer& transfer, const ParallelOptions& options,
                const std::stop_token& stop) {
  const auto blob = content.open_partial(lease, descriptor, kind, stop);
  transfer.arrival().open(blob->open_reader());
  constexpr int kMaxCopies = 2;
  constexpr std::size_t kMaxReasonBytes = 200;
  for (int copy = 1;; ++copy) {
    try {
      BlobFetch(*blob, transfer, options, stop).run();
      blob->commit();
      return;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kNoSpace) content.remove_idle_partials();
      const int allowed = std::min(kMaxCopies, transfer.sources().current()->retry_policy().max_attempts);
      if (copy >= allowed || !is_worth_another(error, *blob)) throw;
      // Not from the same place, as far as there is another.
      const auto client = transfer.sources().current();
      client->skip_mirrors_for(descriptor.digest);
      transfer.sources().advance(client);
      transfer.set_wait({base::printable(error.text(), kMaxReasonBytes), std::chrono::milliseconds(0)});
    }
  }
}

}  // namespace lighterd::distribution
