// SPDX-License-Identifier: Apache-2.0
// When to try again, and how long to wait before (registry-protocol.md A9, A10): the policy of every request and
// transfer, without I/O of its own.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>

#include "base/error.hpp"

namespace lighterd::distribution {

// What a host may ask for at most (A10).
inline constexpr std::chrono::seconds kLongestPatience{60};

struct RetryPolicy {
  int max_attempts = 6;  // tries without progress in between, the first included; at least 1
  std::chrono::milliseconds first_delay{1000};
  // A host that asks for a longer pause is not waited for: its refusal is the answer.
  std::chrono::milliseconds longest_pause{kLongestPatience};
};

enum class FailureKind {
  kFinal,        // asking again changes nothing: 401, 403, 404, a certificate, a full disk
  kTemporary,    // broken and stalled connections, 408, 429, 500, 502, 503, 504
  kUnreachable,  // no name or no connection, of a host that has never answered: more likely a wrong name than a fault
  kStale,        // a storage URL that may have expired: a new one is asked for at once
  kDamaged,      // the content is not what it should be: fetched once more from scratch
};
FailureKind classify_failure(const base::Error& error);

// Doubles with each failure up to 30 times the first delay; between 75 % and 125 % of that as `random` in [0, 1) says,
// so that clients that failed together do not come back together. failures >= 1.
std::chrono::milliseconds retry_delay(const RetryPolicy& policy, int failures, double random);

// A pause that a host asked for, and up to a tenth more: not all clients at once, and none a clock's grain too early.
std::chrono::milliseconds with_jitter(std::chrono::milliseconds pause);

// Why and how long a transfer waits.
struct RetryNotice {
  std::string reason;
  std::chrono::milliseconds delay;
};
using RetryListener = std::function<void(const RetryNotice&)>;  // callable from any thread; must not throw

// Blocks; kCancelled as soon as stop is requested.
void wait_for(std::chrono::milliseconds delay, const std::stop_token& stop);

// Counts the failures of one piece of work. Not thread-safe.
class RetryLoop {
 public:
  RetryLoop(const RetryPolicy& policy, RetryListener listener) : policy_(policy), listener_(std::move(listener)) {}

  // Inside the handler of `error`: waits (after a stall not at all) and returns if another try may be made, rethrows
  // what is being handled if not. A Retry-After in the error is the least that is waited, at most kLongestPatience.
  void wait_or_rethrow(const base::Error& error, const std::stop_token& stop);
  // Something was achieved since the last failure: the count starts again, except of damaged content.
  void note_progress() { failures_ = stale_ = 0; }

 private:
  RetryPolicy policy_;
  RetryListener listener_;
  int failures_ = 0;
  int stale_ = 0;
  int damages_ = 0;
};

}  // namespace lighterd::distribution
