// SPDX-License-Identifier: Apache-2.0
#include "api/http/body_reader.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/error.hpp"

namespace lighterd::api {
namespace {

constexpr std::size_t kFramingReadBytes = 16 * 1024;
// What Go's server reads to save a connection, too.
constexpr std::size_t kMaxDiscardBytes = 256 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

BodyReader::BodyReader(Wire& wire, std::string& buffered, const BodyFraming& framing,
                       std::chrono::milliseconds idle_timeout, std::function<void()> on_complete)
    : wire_(wire),
      buffered_(buffered),
      idle_timeout_(idle_timeout),
      on_complete_(std::move(on_complete)),
      kind_(framing.kind),
      left_bytes_(framing.length_bytes),
      continue_due_(framing.expects_continue) {
  if (kind_ == BodyKind::kNone) set_complete();
}

void BodyReader::set_complete() {
  complete_ = true;
  buffered_.erase(0, std::exchange(used_bytes_, 0));
  if (on_complete_) std::exchange(on_complete_, nullptr)();
}

void BodyReader::send_continue() {
  if (std::exchange(continue_due_, false)) wire_.write_waiting(base::as_bytes(kContinue), idle_timeout_);
}

std::size_t BodyReader::read(std::span<std::byte> buffer) {
  if (buffer.empty() || complete_) return 0;
  if (buffered_.size() == used_bytes_) send_continue();
  return read_some(buffer, Waiting::kYes);
}

std::size_t BodyReader::read_some(std::span<std::byte> buffer, Waiting waiting) {
  return kind_ == BodyKind::kChunked ? read_chunked(buffer, waiting) : read_length(buffer, waiting);
}

std::size_t BodyReader::receive(std::span<std::byte> buffer, Waiting waiting) {
  std::size_t count = 0;
  if (waiting == Waiting::kYes) {
    count = wire_.read_waiting(buffer, idle_timeout_);
  } else {
    const WireResult result = wire_.read(buffer);
    if (result.status == WireStatus::kWouldBlock) return 0;
    count = result.bytes;
  }
  if (count == 0)
    throw base::Error(base::ErrorCode::kCancelled, "the client closed the connection in the middle of the body");
  return count;
}

std::size_t BodyReader::read_length(std::span<std::byte> buffer, Waiting waiting) {
  buffer = buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_bytes_)));
  std::size_t count = std::min(buffer.size(), buffered_.size() - used_bytes_);
  if (count > 0) {
    std::memcpy(buffer.data(), buffered_.data() + used_bytes_, count);
    used_bytes_ += count;
  } else {
    count = receive(buffer, waiting);
  }
  left_bytes_ -= count;
  if (left_bytes_ == 0) set_complete();
  return count;
}

bool BodyReader::fill_buffer(Waiting waiting) {
  used_bytes_ = 0;
  buffered_.resize(kFramingReadBytes);
  std::size_t count = 0;
  const base::Finally shrink([&] { buffered_.resize(count); });
  count = receive(std::as_writable_bytes(std::span(buffered_)), waiting);
  return count > 0;
}

// Data of a chunk that is not buffered goes straight to the reader; only framing is read into the buffer.
std::size_t BodyReader::read_chunked(std::span<std::byte> buffer, Waiting waiting) {
  for (;;) {
    if (used_bytes_ == buffered_.size()) {
      if (const std::uint64_t left = decoder_.data_left_bytes(); left > kFramingReadBytes) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left));
        const std::size_t count = receive(buffer.first(wanted), waiting);
        if (count > 0) decoder_.skip(count);
        return count;
      }
      if (!fill_buffer(waiting)) return 0;
    }
    const auto input = base::as_bytes(std::string_view(buffered_).substr(used_bytes_));
    const ChunkedDecoder::Piece piece = decoder_.next(input, buffer.size());
    std::ranges::copy(piece.data, buffer.begin());
    used_bytes_ += piece.consumed_bytes;
    if (decoder_.done()) set_complete();
    if (!piece.data.empty()) return piece.data.size();
    if (complete_) return 0;
  }
}

bool BodyReader::discard_available() noexcept {
  // The client has not been told to send its body, and may or may not do so.
  if (continue_due_ && buffered_.size() == used_bytes_) return complete_;
  std::array<std::byte, 8 * 1024> scratch;
  std::size_t discarded = 0;
  try {
    while (!complete_ && discarded < kMaxDiscardBytes) {
      const std::size_t count = read_some(scratch, Waiting::kNo);
      if (count == 0) break;
      discarded += count;
    }
  } catch (const std::exception&) {
    return false;
  }
  return complete_;
}

}  // namespace lighterd::api
