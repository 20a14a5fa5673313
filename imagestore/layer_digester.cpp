// SPDX-License-Identifier: Apache-2.0
#include "imagestore/layer_digester.hpp"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <vector>

#include "base/error.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::size_t kOutputBytes = 256 * 1024;
constexpr std::size_t kMagicBytes = 6;
constexpr int kMaxZstdWindowLog = 27;

LayerFormat format_of(std::string_view magic) {
  using namespace std::string_view_literals;
  if (magic.starts_with("\x1F\x8B"sv)) return LayerFormat::kGzip;
  if (magic.starts_with("\x28\xB5\x2F\xFD"sv)) return LayerFormat::kZstd;
  // Skippable frame: 0x184D2A5?, little endian.
  if (magic.size() >= 4 && (magic[0] & 0xF0) == 0x50 && magic.substr(1, 3) == "\x2A\x4D\x18"sv)
    return LayerFormat::kZstd;
  if (magic.starts_with("BZh"sv) || magic.starts_with("\xFD\x37zXZ\0"sv)) return LayerFormat::kOther;
  return LayerFormat::kPlain;
}

}  // namespace

class LayerDigester::Output {
 public:
  explicit Output(const DecompressionLimits& limits) : limits_(limits), hasher_(oci::DigestAlgorithm::kSha256) {}

  void add(base::Bytes data) {
    bytes_ += static_cast<std::int64_t>(data.size());
    if (bytes_ > limits_.max_uncompressed_bytes) throw Error(ErrorCode::kDataLoss, "layer is too large uncompressed");
    if (bytes_ > limits_.check_ratio_from_bytes && bytes_ / limits_.max_ratio > input_bytes_)
      throw Error(ErrorCode::kDataLoss, "layer is compressed more than " + std::to_string(limits_.max_ratio) + ":1");
    hasher_.update(data);
  }

  void count_input(std::size_t bytes) { input_bytes_ += static_cast<std::int64_t>(bytes); }
  LayerContent finish() { return {hasher_.finish(), bytes_}; }

 private:
  const DecompressionLimits& limits_;
  oci::DigestHasher hasher_;
  std::int64_t bytes_ = 0;
  std::int64_t input_bytes_ = 0;
};

class LayerDigester::Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void decode(base::Bytes data, Output& output) = 0;
  // Whether the input may end here.
  virtual bool is_complete() const = 0;
};

namespace {

class PlainDecoder final : public LayerDigester::Decoder {
 public:
  void decode(base::Bytes data, LayerDigester::Output& output) override { output.add(data); }
  bool is_complete() const override { return true; }
};

class GzipDecoder final : public LayerDigester::Decoder {
 public:
  GzipDecoder() : buffer_(kOutputBytes) {
    isal_inflate_init(&state_);
    state_.crc_flag = ISAL_GZIP;
  }

  void decode(base::Bytes data, LayerDigester::Output& output) override {
    // ISA-L takes a non-const pointer and 32-bit lengths; it does not write to its input.
    state_.next_in = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(data.data()));
    state_.avail_in = static_cast<std::uint32_t>(data.size());
    for (;;) {
      if (state_.block_state == ISAL_BLOCK_FINISH) {
        if (state_.avail_in == 0) return;
        start_next_member();
      }
      inflate(output);
      if (state_.avail_in == 0 && state_.avail_out != 0 && state_.block_state != ISAL_BLOCK_FINISH) return;
    }
  }

  bool is_complete() const override { return state_.block_state == ISAL_BLOCK_FINISH; }

 private:
  void start_next_member() {
    isal_inflate_reset(&state_);
    state_.crc_flag = ISAL_GZIP;
  }

  void inflate(LayerDigester::Output& output) {
    state_.next_out = reinterpret_cast<std::uint8_t*>(buffer_.data());
    state_.avail_out = static_cast<std::uint32_t>(buffer_.size());
    if (isal_inflate(&state_) != ISAL_DECOMP_OK) throw Error(ErrorCode::kDataLoss, "gzip: invalid data");
    output.add(base::Bytes(buffer_).first(buffer_.size() - state_.avail_out));
  }

  inflate_state state_{};
  std::vector<std::byte> buffer_;
};

class ZstdDecoder final : public LayerDigester::Decoder {
 public:
  ZstdDecoder() : stream_(ZSTD_createDStream()), buffer_(kOutputBytes) {
    if (!stream_) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kMaxZstdWindowLog);
  }

  void decode(base::Bytes data, LayerDigester::Output& output) override {
    ZSTD_inBuffer input{data.data(), data.size(), 0};
    bool output_full = false;
    while (input.pos < input.size || output_full) {
      ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
      const std::size_t result = ZSTD_decompressStream(stream_.get(), &out, &input);
      if (ZSTD_isError(result) != 0)
        throw Error(ErrorCode::kDataLoss, std::string("zstd: ") + ZSTD_getErrorName(result));
      output.add(base::Bytes(buffer_).first(out.pos));
      output_full = out.pos == out.size && result != 0;
      at_frame_end_ = result == 0;
    }
  }

  bool is_complete() const override { return at_frame_end_; }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const noexcept { ZSTD_freeDStream(stream); }
  };
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  std::vector<std::byte> buffer_;
  bool at_frame_end_ = false;
};

}  // namespace

LayerDigester::LayerDigester(DecompressionLimits limits)
    : limits_(limits), output_(std::make_unique<Output>(limits_)) {}

LayerDigester::~LayerDigester() = default;

void LayerDigester::start() {
  format_ = format_of(magic_);
  switch (format_) {
    case LayerFormat::kGzip:
      decoder_ = std::make_unique<GzipDecoder>();
      break;
    case LayerFormat::kZstd:
      decoder_ = std::make_unique<ZstdDecoder>();
      break;
    case LayerFormat::kPlain:
      decoder_ = std::make_unique<PlainDecoder>();
      break;
    default:
      return;
  }
  output_->count_input(magic_.size());
  decoder_->decode(base::as_bytes(magic_), *output_);
}

void LayerDigester::write(base::Bytes data) {
  if (format_ == LayerFormat::kUnknown) {
    const std::size_t count = std::min(kMagicBytes - magic_.size(), data.size());
    magic_ += base::as_text(data.first(count));
    data = data.subspan(count);
    if (magic_.size() < kMagicBytes) return;
    start();
  }
  if (!decoder_ || data.empty()) return;
  output_->count_input(data.size());
  decoder_->decode(data, *output_);
}

std::optional<LayerContent> LayerDigester::finish() {
  if (format_ == LayerFormat::kUnknown) start();
  if (!decoder_) return std::nullopt;
  if (!decoder_->is_complete()) throw Error(ErrorCode::kDataLoss, "compressed layer ends early: unexpected EOF");
  return output_->finish();
}

}  // namespace lighterd::imagestore
