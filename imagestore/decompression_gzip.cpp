// SPDX-License-Identifier: Apache-2.0
#include <isa-l/igzip_lib.h>

#include <algorithm>

#include "base/error.hpp"
#include "imagestore/decompression.hpp"

namespace lighterd::imagestore {
namespace {

class GzipDecoder final : public Decoder {
 public:
  GzipDecoder() {
    isal_inflate_init(&state_);
    state_.crc_flag = ISAL_GZIP;
  }

  std::size_t decode(base::Bytes& input, std::span<std::byte> output) override {
    std::size_t produced = 0;
    while (produced < output.size()) {
      if (is_complete()) {
        if (input.empty()) break;
        start_next_member();
      }
      produced += inflate(input, output.subspan(produced));
      if (input.empty() && state_.avail_out != 0 && !is_complete()) break;
    }
    return produced;
  }

  bool is_complete() const override { return state_.block_state == ISAL_BLOCK_FINISH; }

 private:
  void start_next_member() {
    isal_inflate_reset(&state_);
    state_.crc_flag = ISAL_GZIP;
  }

  // ISA-L takes a non-const pointer and 32-bit lengths; it does not write to its input.
  std::size_t inflate(base::Bytes& input, std::span<std::byte> output) {
    constexpr std::size_t kMaxLength = std::size_t{1} << 30;
    const auto wanted = static_cast<std::uint32_t>(std::min(input.size(), kMaxLength));
    const auto room = static_cast<std::uint32_t>(std::min(output.size(), kMaxLength));
    state_.next_in = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(input.data()));
    state_.avail_in = wanted;
    state_.next_out = reinterpret_cast<std::uint8_t*>(output.data());
    state_.avail_out = room;
    if (isal_inflate(&state_) != ISAL_DECOMP_OK) throw base::Error(base::ErrorCode::kDataLoss, "gzip: invalid data");
    input = input.subspan(wanted - state_.avail_in);
    return room - state_.avail_out;
  }

  inflate_state state_{};
};

}  // namespace

std::unique_ptr<Decoder> make_gzip_decoder() {
  return std::make_unique<GzipDecoder>();
}

}  // namespace lighterd::imagestore
