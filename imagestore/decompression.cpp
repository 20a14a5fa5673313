// SPDX-License-Identifier: Apache-2.0
#include "imagestore/decompression.hpp"

#include <algorithm>
#include <string>

#include "base/error.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::size_t kInputBytes = 256 * 1024;

}  // namespace

Compression compression_of(std::string_view first_bytes) {
  using namespace std::string_view_literals;
  if (first_bytes.starts_with("\x1F\x8B"sv)) return Compression::kGzip;
  if (first_bytes.starts_with("\x28\xB5\x2F\xFD"sv)) return Compression::kZstd;
  // Skippable frame: 0x184D2A5?, little endian.
  if (first_bytes.size() >= 4 && (first_bytes[0] & 0xF0) == 0x50 && first_bytes.substr(1, 3) == "\x2A\x4D\x18"sv)
    return Compression::kZstd;
  if (first_bytes.starts_with("BZh"sv)) return Compression::kBzip2;
  if (first_bytes.starts_with("\xFD\x37zXZ\0"sv)) return Compression::kXz;
  return Compression::kNone;
}

void DecompressionBudget::add_output(std::size_t bytes) {
  output_bytes_ += static_cast<std::int64_t>(bytes);
  if (output_bytes_ > limits_.max_uncompressed_bytes)
    throw Error(ErrorCode::kDataLoss, "compressed content is too large uncompressed");
  if (output_bytes_ > limits_.check_ratio_from_bytes && output_bytes_ / limits_.max_ratio > input_bytes_)
    throw Error(ErrorCode::kDataLoss, "content is compressed more than " + std::to_string(limits_.max_ratio) + ":1");
}

std::unique_ptr<Decoder> make_decoder(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return make_gzip_decoder();
    case Compression::kBzip2:
      return make_bzip2_decoder();
    case Compression::kXz:
      return make_xz_decoder();
    case Compression::kZstd:
      return make_zstd_decoder();
    case Compression::kNone:
      break;
  }
  return nullptr;
}

DecompressingSource::DecompressingSource(base::Source& source, const DecompressionLimits& limits)
    : source_(source), budget_(limits) {}

DecompressingSource::~DecompressingSource() = default;

Compression DecompressingSource::compression() {
  if (!started_) start();
  return compression_;
}

void DecompressingSource::start() {
  buffer_.resize(kInputBytes);
  std::size_t used = 0;
  while (used < kMagicBytes) {
    const std::size_t count = source_.read(std::span(buffer_).subspan(used));
    if (count == 0) break;
    used += count;
  }
  started_ = true;
  input_ = base::Bytes(buffer_).first(used);
  budget_.add_input(used);
  compression_ = compression_of(base::as_text(input_));
  decoder_ = make_decoder(compression_);
}

std::size_t DecompressingSource::read(std::span<std::byte> buffer) {
  if (!started_) start();
  if (buffer.empty()) return 0;
  return decoder_ ? read_compressed(buffer) : read_plain(buffer);
}

std::size_t DecompressingSource::read_plain(std::span<std::byte> buffer) {
  if (input_.empty()) return source_.read(buffer);
  const std::size_t count = std::min(buffer.size(), input_.size());
  std::copy_n(input_.begin(), count, buffer.begin());
  input_ = input_.subspan(count);
  return count;
}

std::size_t DecompressingSource::read_compressed(std::span<std::byte> buffer) {
  for (;;) {
    const std::size_t produced = decoder_->decode(input_, buffer);
    budget_.add_output(produced);
    if (produced > 0) return produced;
    const std::size_t count = source_.read(buffer_);
    if (count == 0) {
      if (decoder_->is_complete()) return 0;
      throw Error(ErrorCode::kDataLoss, "unexpected EOF: the compressed stream ends early");
    }
    budget_.add_input(count);
    input_ = base::Bytes(buffer_).first(count);
  }
}

}  // namespace lighterd::imagestore
