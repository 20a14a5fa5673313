// SPDX-License-Identifier: Apache-2.0
#include "distribution/part_fetch.hpp"

#include <algorithm>

namespace lighterd::distribution {
namespace {

// A server that drops the connection after less than that does not count as making progress.
constexpr std::int64_t kLeastProgressBytes = 1024 * 1024;

// All that was asked for is here, and the answer goes on.
struct Satisfied {};

}  // namespace

PartFetch::PartFetch(imagestore::PartialBlob& blob, imagestore::ByteRange range, Transfer& transfer,
                     PartFetchOptions options)
    : blob_(blob), range_(range), transfer_(transfer), options_(std::move(options)), part_(blob, range.begin) {}

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
    if (options_.on_bytes) options_.on_bytes(position, data);
  }
  if (is_last) throw Satisfied();
}

void PartFetch::run(const std::stop_token& stop) {
  std::optional<RetryLoop> loop;
  std::int64_t mark = part_.position();
  while (part_.position() < range_.end) {
    const TransferSources::Client client = transfer_.sources().current();
    if (!loop) {
      loop.emplace(client->retry_policy(), [this](const RetryNotice& notice) { transfer_.set_wait(notice); });
    }
    try {
      client->get_blob(blob_.descriptor(), *this, stop);
    } catch (const Satisfied&) {
      return;
    } catch (const base::Error& error) {
      if (error.code() == base::ErrorCode::kCancelled) throw;
      if (part_.position() - mark >= kLeastProgressBytes) {
        loop->note_progress();
        mark = part_.position();
      }
      if (error.code() != base::ErrorCode::kNoSpace && transfer_.sources().advance(client)) continue;
      loop->wait_or_rethrow(error, stop);
    }
  }
}

}  // namespace lighterd::distribution
