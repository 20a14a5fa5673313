// SPDX-License-Identifier: Apache-2.0
// Computes a layer's diff ID while its bytes arrive, in bounded memory: gzip (several members) by ISA-L, zstd (several
// and skippable frames) by libzstd, a plain tar as it is. bzip2 and xz, which no registry media type names, have no
// push interface here: their diff ID is computed from the stored file (layer_archive.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/stream.hpp"
#include "imagestore/blob_table.hpp"

namespace lighterd::imagestore {

struct DecompressionLimits {
  std::int64_t max_uncompressed_bytes = std::int64_t{100} * 1024 * 1024 * 1024;
  // From check_ratio_from_bytes of output on, output / input may not be more than max_ratio.
  std::int64_t max_ratio = 1000;
  std::int64_t check_ratio_from_bytes = 64 * 1024 * 1024;
};

enum class LayerFormat { kUnknown, kPlain, kGzip, kZstd, kOther };

class LayerDigester final : public base::Sink {
 public:
  explicit LayerDigester(DecompressionLimits limits = {});
  ~LayerDigester() override;

  // kDataLoss when the stream is damaged or meets a limit; the object is of no use then.
  void write(base::Bytes data) override;
  // kDataLoss when the compressed stream ends early. Nothing for kOther: use diff_id_of_file.
  std::optional<LayerContent> finish();

  // Counts and bounds what comes out, and hashes it.
  class Output;
  class Decoder;

 private:
  void start();

  DecompressionLimits limits_;
  std::unique_ptr<Output> output_;
  std::unique_ptr<Decoder> decoder_;
  LayerFormat format_ = LayerFormat::kUnknown;
  std::string magic_;  // until there is enough of it to tell the format
};

}  // namespace lighterd::imagestore
