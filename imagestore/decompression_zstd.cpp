// SPDX-License-Identifier: Apache-2.0
#include <zstd.h>

#include <new>
#include <string>

#include "base/error.hpp"
#include "imagestore/decompression.hpp"

namespace lighterd::imagestore {
namespace {

constexpr int kMaxWindowLog = 27;

class ZstdDecoder final : public Decoder {
 public:
  ZstdDecoder() : stream_(ZSTD_createDStream()) {
    if (!stream_) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
  }

  std::size_t decode(base::Bytes& input, std::span<std::byte> output) override {
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer out{output.data(), output.size(), 0};
    // Without input a finished frame must not be asked again: the library would begin the next one.
    while (out.pos < out.size && !(in.pos == in.size && at_frame_end_)) {
      const std::size_t result = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(result) != 0)
        throw base::Error(base::ErrorCode::kDataLoss, std::string("zstd: ") + ZSTD_getErrorName(result));
      at_frame_end_ = result == 0;
      if (in.pos == in.size && out.pos < out.size) break;
    }
    input = input.subspan(in.pos);
    return out.pos;
  }

  bool is_complete() const override { return at_frame_end_; }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const noexcept { ZSTD_freeDStream(stream); }
  };
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  bool at_frame_end_ = false;
};

}  // namespace

std::unique_ptr<Decoder> make_zstd_decoder() {
  return std::make_unique<ZstdDecoder>();
}

}  // namespace lighterd::imagestore
