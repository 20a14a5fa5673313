// SPDX-License-Identifier: Apache-2.0
#include "distribution/retry.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <random>

#include "base/encoding.hpp"
#include "distribution/http_client.hpp"
#include "distribution/registry_error.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr int kLongestFactor = 30;
constexpr int kUnreachableAttempts = 3;
constexpr int kImmediateAttempts = 2;
constexpr std::size_t kMaxReasonBytes = 200;

double random_fraction() {
  thread_local std::minstd_rand engine(std::random_device{}());
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

FailureKind classify_status(int status) {
  constexpr std::array kTemporary = {408, 429, 500, 502, 503, 504};
  return std::find(kTemporary.begin(), kTemporary.end(), status) != kTemporary.end() ? FailureKind::kTemporary
                                                                                     : FailureKind::kFinal;
}

FailureKind classify_transport(const TransportError& error) {
  constexpr std::array kFinal = {TransportFailure::kCertificate, TransportFailure::kProxyRefused,
                                 TransportFailure::kMalformed};
  if (std::find(kFinal.begin(), kFinal.end(), error.kind()) != kFinal.end()) return FailureKind::kFinal;
  const bool no_connection = error.kind() == TransportFailure::kResolve || error.kind() == TransportFailure::kConnect;
  // A peer that does not speak TLS will not learn it; one that broke off the handshake may be restarting.
  const bool is_doubtful = no_connection || error.kind() == TransportFailure::kTls;
  return is_doubtful && !error.is_known_host() ? FailureKind::kUnreachable : FailureKind::kTemporary;
}

// A stall took its time already.
bool has_waited(const Error& error) {
  const auto* transport = dynamic_cast<const TransportError*>(&error);
  return transport != nullptr && transport->kind() == TransportFailure::kTimeout;
}

std::chrono::milliseconds asked_for(const Error& error) {
  const auto* refusal = dynamic_cast<const RegistryError*>(&error);
  if (refusal == nullptr || !refusal->retry_after()) return {};
  return std::min<std::chrono::milliseconds>(*refusal->retry_after(), kLongestPatience);
}

}  // namespace

std::chrono::milliseconds with_jitter(std::chrono::milliseconds pause) {
  if (pause.count() == 0) return pause;
  const double jitter = static_cast<double>(pause.count()) * random_fraction() / 10;
  return pause + std::chrono::milliseconds(100 + static_cast<std::int64_t>(jitter));
}

FailureKind classify_failure(const Error& error) {
  if (const auto* transport = dynamic_cast<const TransportError*>(&error)) return classify_transport(*transport);
  if (const auto* refusal = dynamic_cast<const RegistryError*>(&error)) {
    const FailureKind kind = classify_status(refusal->status());
    return kind == FailureKind::kFinal && refusal->is_stale_location() ? FailureKind::kStale : kind;
  }
  return error.code() == ErrorCode::kDataLoss ? FailureKind::kDamaged : FailureKind::kFinal;
}

std::chrono::milliseconds retry_delay(const RetryPolicy& policy, int failures, double random) {
  const int factor = failures > 5 ? kLongestFactor : std::min(1 << (failures - 1), kLongestFactor);
  const double milliseconds = static_cast<double>(policy.first_delay.count()) * factor * (0.75 + random / 2);
  return std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds));
}

void wait_for(std::chrono::milliseconds delay, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, delay, [] { return false; });
  if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
}

void RetryLoop::wait_or_rethrow(const Error& error, const std::stop_token& stop) {
  const FailureKind kind = classify_failure(error);
  if (kind == FailureKind::kFinal || stop.stop_requested()) throw;
  if (kind == FailureKind::kDamaged || kind == FailureKind::kStale) {
    if (++(kind == FailureKind::kDamaged ? damages_ : stale_) >= std::min(kImmediateAttempts, policy_.max_attempts))
      throw;
    if (listener_) listener_({base::printable(error.text(), kMaxReasonBytes), std::chrono::milliseconds(0)});
    return;
  }
  const int allowed =
      kind == FailureKind::kUnreachable ? std::min(kUnreachableAttempts, policy_.max_attempts) : policy_.max_attempts;
  const auto pause = asked_for(error);
  if (++failures_ >= allowed || pause > policy_.longest_pause) throw;
  const auto backoff =
      has_waited(error) ? std::chrono::milliseconds(0) : retry_delay(policy_, failures_, random_fraction());
  const auto delay = std::max(backoff, with_jitter(pause));
  if (listener_) listener_({base::printable(error.text(), kMaxReasonBytes), delay});
  wait_for(delay, stop);
}

}  // namespace lighterd::distribution
