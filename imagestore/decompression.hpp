// SPDX-License-Identifier: Apache-2.0
// Foreign compressed streams, uncompressed in bounded memory and within limits (security-reliability A.3/30): gzip by
// ISA-L, zstd, bzip2 and xz by their libraries, told apart by magic. Concatenated members and skippable frames are one
// stream. Nothing is executed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/stream.hpp"

namespace lighterd::imagestore {

enum class Compression { kNone, kGzip, kBzip2, kXz, kZstd };

inline constexpr std::size_t kMagicBytes = 6;
// Of a stream that begins so; kMagicBytes tell them all apart.
Compression compression_of(std::string_view first_bytes);

struct DecompressionLimits {
  std::int64_t max_uncompressed_bytes = std::int64_t{100} * 1024 * 1024 * 1024;
  // From check_ratio_from_bytes of output on, output / input may not be more than max_ratio.
  std::int64_t max_ratio = 1000;
  std::int64_t check_ratio_from_bytes = 64 * 1024 * 1024;
};

// Counts one stream and holds it to its limits.
class DecompressionBudget {
 public:
  explicit DecompressionBudget(const DecompressionLimits& limits) : limits_(limits) {}
  void add_input(std::size_t bytes) { input_bytes_ += static_cast<std::int64_t>(bytes); }
  // kDataLoss beyond a limit.
  void add_output(std::size_t bytes);
  std::int64_t output_bytes() const { return output_bytes_; }

 private:
  DecompressionLimits limits_;
  std::int64_t input_bytes_ = 0;
  std::int64_t output_bytes_ = 0;
};

// Not thread-safe. Memory is that of the format's window: zstd up to 128 MiB, xz up to 128 MiB, beyond is kDataLoss.
class Decoder {
 public:
  virtual ~Decoder() = default;
  // Uncompresses into `output`, which is not empty, and moves `input` on. Fewer bytes than `output` takes mean that the
  // input is used up and nothing is held back. kDataLoss when the stream is damaged; the object is of no use then.
  virtual std::size_t decode(base::Bytes& input, std::span<std::byte> output) = 0;
  // Whether the stream may end here.
  virtual bool is_complete() const = 0;
};

// Null for kNone.
std::unique_ptr<Decoder> make_decoder(Compression compression);

// The uncompressed bytes of `source`, which must outlive it; what is not compressed passes as it is. kDataLoss when the
// stream is damaged, ends early ("unexpected EOF") or meets a limit.
class DecompressingSource final : public base::Source {
 public:
  explicit DecompressingSource(base::Source& source, const DecompressionLimits& limits = {});
  ~DecompressingSource() override;

  std::size_t read(std::span<std::byte> buffer) override;
  // Reads the first bytes of the source if that was not done yet.
  Compression compression();

 private:
  void start();
  std::size_t read_plain(std::span<std::byte> buffer);
  std::size_t read_compressed(std::span<std::byte> buffer);

  base::Source& source_;
  DecompressionBudget budget_;
  Compression compression_ = Compression::kNone;
  bool started_ = false;
  std::unique_ptr<Decoder> decoder_;
  std::vector<std::byte> buffer_;
  base::Bytes input_;  // of buffer_, not used yet
};

// One for each format, each in the file of its library.
std::unique_ptr<Decoder> make_gzip_decoder();
std::unique_ptr<Decoder> make_bzip2_decoder();
std::unique_ptr<Decoder> make_xz_decoder();
std::unique_ptr<Decoder> make_zstd_decoder();

}  // namespace lighterd::imagestore
