// SPDX-License-Identifier: Apache-2.0
#include <lzma.h>

#include <algorithm>
#include <new>

#include "base/error.hpp"
#include "imagestore/decompression.hpp"

namespace lighterd::imagestore {
namespace {

constexpr std::uint64_t kMemoryLimitBytes = std::uint64_t{128} * 1024 * 1024;

class XzDecoder final : public Decoder {
 public:
  XzDecoder() { start_stream(); }
  ~XzDecoder() override { lzma_end(&stream_); }
  XzDecoder(const XzDecoder&) = delete;
  XzDecoder& operator=(const XzDecoder&) = delete;

  std::size_t decode(base::Bytes& input, std::span<std::byte> output) override {
    std::size_t produced = 0;
    while (produced < output.size()) {
      if (at_stream_end_) {
        skip_padding(input);
        if (input.empty()) break;
        start_stream();
      }
      produced += uncompress(input, output.subspan(produced));
      if (input.empty() && stream_.avail_out != 0 && !at_stream_end_) break;
    }
    return produced;
  }

  bool is_complete() const override { return at_stream_end_ && padding_bytes_ % 4 == 0; }

 private:
  void start_stream() {
    at_stream_end_ = false;
    if (padding_bytes_ % 4 != 0) refuse();
    padding_bytes_ = 0;
    if (lzma_stream_decoder(&stream_, kMemoryLimitBytes, 0) != LZMA_OK) throw std::bad_alloc();
  }

  // Zero bytes between and behind streams, in fours.
  void skip_padding(base::Bytes& input) {
    const auto end = std::ranges::find_if(input, [](std::byte byte) { return byte != std::byte{0}; });
    const auto count = static_cast<std::size_t>(end - input.begin());
    padding_bytes_ += count;
    input = input.subspan(count);
  }

  std::size_t uncompress(base::Bytes& input, std::span<std::byte> output) {
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(input.data());
    stream_.avail_in = input.size();
    stream_.next_out = reinterpret_cast<std::uint8_t*>(output.data());
    stream_.avail_out = output.size();
    const lzma_ret result = lzma_code(&stream_, LZMA_RUN);
    input = input.subspan(input.size() - stream_.avail_in);
    at_stream_end_ = result == LZMA_STREAM_END;
    if (result == LZMA_MEM_ERROR) throw std::bad_alloc();
    if (result == LZMA_MEMLIMIT_ERROR)
      throw base::Error(base::ErrorCode::kDataLoss, "xz: needs more than 128 MiB of memory");
    // LZMA_BUF_ERROR: nothing could be done without more input.
    if (result != LZMA_OK && result != LZMA_STREAM_END && result != LZMA_BUF_ERROR) refuse();
    return output.size() - stream_.avail_out;
  }

  [[noreturn]] static void refuse() { throw base::Error(base::ErrorCode::kDataLoss, "xz: invalid data"); }

  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool at_stream_end_ = false;
  std::size_t padding_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Decoder> make_xz_decoder() {
  return std::make_unique<XzDecoder>();
}

}  // namespace lighterd::imagestore
