// SPDX-License-Identifier: Apache-2.0
#include "distribution/part_fetch.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "distribution/error_copy.hpp"

namespace lighterd::distribution {
namespace {

// A server that drops the connection after less than that does not count as making progress.
constexpr std::int64_t kLeastProgressBytes = 1024 * 1024;

// All that was asked for is here, and the answer goes on.
struct Satisfied {};

// Inside the handler of `last`. That one source is refused for good does not end what another may still bring.
void wait_after_round(RetryLoop& loop, const base::Error& last, const std::function<void()>& passing,
                      const std::stop_token& stop) {
  if (!passing || classify_failure(last) != FailureKind::kFinal || last.code() == base::ErrorCode::kNoSpace) {
    return loop.wait_or_rethrow(last, stop);
  }
  try {
    passing();
  } catch (const base::Error& error) {
    loop.wait_or_rethrow(error, stop);
  }
}

}  // namespace

PartFetch::PartFetch(imagestore::PartialBlob& blob, imagestore::ByteRange range, Transfer& transfer,
                     PartFetchOptions options)
    : blob_(blob),
      range_(range),
      transfer_(transfer),
      options_(std::move(options)),
      listener_([&transfer](const RetryNotice& notice) { transfer.set_wait(notice); }),
      part_(blob, range.begin) {}

void PartFetch::begin(Answer answer) {
  has_parts_ = answer == Answer::kPart;
  if (!has_parts_ && options_.parts_only) throw WholeBlobSent();
  next_ = has_parts_ ? part_.position() : 0;
}

void PartFetch::write(base::Bytes data) {
  const std::int64_t skipped =
      std::clamp<std::int64_t>(part_.position() - next_, 0, static_cast<std::int64_t>(data.size()));
  next_ += static_cast<std::int64_t>(data.size());
  data = data.subspan(static_cast<std::size_t>(skipped));
  const auto room = static_cast<std::size_t>(range_.end - part_.position());
  const bool is_last = data.size() > room;
  data = data.first(std::min(data.size(), room));
  if (!data.empty()) {
    const std::int64_t position = part_.position();
    part_.write(data);
    transfer_.set_current_bytes(blob_.arrived_bytes());
    transfer_.arrival().add({position, part_.position()});
    if (options_.on_bytes) options_.on_bytes(position, data);
  }
  if (is_last) throw Satisfied();
}

RetryLoop PartFetch::make_loop(const RegistryClient& client) {
  RetryPolicy policy = client.retry_policy();
  if (options_.max_attempts > 0) policy.max_attempts = std::min(policy.max_attempts, options_.max_attempts);
  return {policy, listener_};
}

bool PartFetch::has_progressed() {
  if (part_.position() - mark_ < kLeastProgressBytes) return false;
  mark_ = part_.position();
  return true;
}

void PartFetch::run(const std::stop_token& stop) {
  mark_ = part_.position();
  RetryLoop loop = make_loop(*transfer_.sources().current());
  std::function<void()> passing;  // what one source failed with that may pass
  while (part_.position() < range_.end) {
    const TransferSources::Client client = transfer_.sources().current();
    try {
      client->get_blob(blob_.descriptor(), *this, listener_, stop);
      // Servers may send less than was asked for (RFC 9110 15.3.7), but not next to nothing.
      if (part_.position() < range_.end && !has_progressed())
        throw TransportError(TransportFailure::kBroken, base::ErrorCode::kUnavailable, "a part came short");
    } catch (const Satisfied&) {
      return;
    } catch (const base::Error& error) {
      if (error.code() == base::ErrorCode::kCancelled) throw;
      if (has_progressed()) loop.note_progress();
      if (classify_failure(error) != FailureKind::kFinal) passing = copy_current_error();
      if (error.code() != base::ErrorCode::kNoSpace && transfer_.sources().advance(client)) continue;
      wait_after_round(loop, error, std::exchange(passing, nullptr), stop);
    }
  }
}

}  // namespace lighterd::distribution
