// SPDX-License-Identifier: Apache-2.0
#include "api/http/chunked_decoder.hpp"

#include <algorithm>

#include "api/http/syntax.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

constexpr std::size_t kMaxLineBytes = 4 * 1024;
constexpr std::size_t kMaxTrailerBytes = 16 * 1024;
constexpr std::size_t kMaxSizeDigits = 15;  // the sum of two sizes cannot overflow
// Framing beyond this and beyond what the data pays for is an attack (Go: CVE-2023-39326).
constexpr std::uint64_t kMaxOverheadBytes = 16 * 1024;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void ChunkedDecoder::fail(const char* why) {
  stage_ = Stage::kFailed;
  throw base::Error(base::ErrorCode::kInvalidArgument, std::string("malformed chunked body: ") + why);
}

ChunkedDecoder::Piece ChunkedDecoder::next(base::Bytes input, std::size_t max_data_bytes) {
  if (stage_ == Stage::kFailed) fail("it failed before");
  std::size_t position = 0;
  while (position < input.size() && stage_ != Stage::kDone && stage_ != Stage::kData)
    take_byte(static_cast<char>(input[position++]));
  if (stage_ != Stage::kData) return {position, {}};
  const std::size_t available = std::min(input.size() - position, max_data_bytes);
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(available, left_bytes_));
  skip(count);
  return {position + count, input.subspan(position, count)};
}

void ChunkedDecoder::skip(std::uint64_t data_bytes) {
  left_bytes_ -= data_bytes;
  if (left_bytes_ == 0) stage_ = Stage::kDataCr;
}

void ChunkedDecoder::take_byte(char byte) {
  switch (stage_) {
    case Stage::kDataCr:
      if (byte != '\r') fail("chunk is longer than its size");
      stage_ = Stage::kDataLf;
      return;
    case Stage::kDataLf:
      if (byte != '\n') fail("chunk is longer than its size");
      stage_ = Stage::kSizeLine;
      return;
    default:
      return take_line_byte(byte);
  }
}

void ChunkedDecoder::take_line_byte(char byte) {
  if (byte != '\n') {
    if (line_.size() == kMaxLineBytes) fail("line is too long");
    line_ += byte;
    return;
  }
  if (!line_.ends_with('\r')) fail("line feed without carriage return");
  line_.pop_back();
  if (!is_field_value(line_)) fail("control character");
  if (stage_ == Stage::kSizeLine)
    take_size_line();
  else
    take_trailer_line();
  line_.clear();
}

void ChunkedDecoder::take_size_line() {
  std::size_t digits = 0;
  std::uint64_t size = 0;
  while (digits < line_.size() && hex_value(line_[digits]) >= 0) {
    size = size * 16 + static_cast<std::uint64_t>(hex_value(line_[digits]));
    if (++digits > kMaxSizeDigits) fail("chunk size is too large");
  }
  if (digits == 0) fail("bad chunk size");
  const std::string_view rest = trim_blanks(std::string_view(line_).substr(digits));
  if (digits != line_.size() && !rest.starts_with(';')) fail("bad chunk size");

  const std::uint64_t paid = 16 + 2 * size;
  overhead_bytes_ += line_.size() + 2;
  overhead_bytes_ -= std::min(overhead_bytes_, paid);
  if (overhead_bytes_ > kMaxOverheadBytes) fail("too much framing");
  left_bytes_ = size;
  stage_ = size == 0 ? Stage::kTrailer : Stage::kData;
}

void ChunkedDecoder::take_trailer_line() {
  if (line_.empty()) {
    stage_ = Stage::kDone;
    line_.shrink_to_fit();
    return;
  }
  trailer_bytes_ += line_.size();
  if (trailer_bytes_ > kMaxTrailerBytes) fail("trailers are too large");
  if (!is_token(std::string_view(line_).substr(0, line_.find(':'))) || line_.find(':') == std::string::npos)
    fail("bad trailer");
}

}  // namespace lighterd::api
