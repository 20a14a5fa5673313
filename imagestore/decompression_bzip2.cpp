// SPDX-License-Identifier: Apache-2.0
#include <bzlib.h>

#include <algorithm>
#include <new>

#include "base/error.hpp"
#include "imagestore/decompression.hpp"

namespace lighterd::imagestore {
namespace {

class Bzip2Decoder final : public Decoder {
 public:
  Bzip2Decoder() { start_member(); }
  ~Bzip2Decoder() override { BZ2_bzDecompressEnd(&stream_); }
  Bzip2Decoder(const Bzip2Decoder&) = delete;
  Bzip2Decoder& operator=(const Bzip2Decoder&) = delete;

  std::size_t decode(base::Bytes& input, std::span<std::byte> output) override {
    std::size_t produced = 0;
    while (produced < output.size()) {
      if (at_member_end_) {
        if (input.empty()) break;
        BZ2_bzDecompressEnd(&stream_);
        start_member();
      }
      produced += uncompress(input, output.subspan(produced));
      if (input.empty() && stream_.avail_out != 0 && !at_member_end_) break;
    }
    return produced;
  }

  bool is_complete() const override { return at_member_end_; }

 private:
  void start_member() {
    stream_ = {};
    at_member_end_ = false;
    if (BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) throw std::bad_alloc();
  }

  // The library takes non-const pointers and 32-bit lengths; it does not write to its input.
  std::size_t uncompress(base::Bytes& input, std::span<std::byte> output) {
    constexpr std::size_t kMaxLength = std::size_t{1} << 30;
    const auto wanted = static_cast<unsigned>(std::min(input.size(), kMaxLength));
    const auto room = static_cast<unsigned>(std::min(output.size(), kMaxLength));
    stream_.next_in = reinterpret_cast<char*>(const_cast<std::byte*>(input.data()));
    stream_.avail_in = wanted;
    stream_.next_out = reinterpret_cast<char*>(output.data());
    stream_.avail_out = room;
    const int result = BZ2_bzDecompress(&stream_);
    if (result == BZ_MEM_ERROR) throw std::bad_alloc();
    if (result != BZ_OK && result != BZ_STREAM_END)
      throw base::Error(base::ErrorCode::kDataLoss, "bzip2: invalid data");
    at_member_end_ = result == BZ_STREAM_END;
    input = input.subspan(wanted - stream_.avail_in);
    return room - stream_.avail_out;
  }

  bz_stream stream_{};
  bool at_member_end_ = false;
};

}  // namespace

std::unique_ptr<Decoder> make_bzip2_decoder() {
  return std::make_unique<Bzip2Decoder>();
}

}  // namespace lighterd::imagestore
