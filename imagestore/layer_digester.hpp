// SPDX-License-Identifier: Apache-2.0
// Computes a layer's diff ID while its bytes arrive, in bounded memory, whatever the layer is compressed with
// (decompression.hpp); one that is not compressed is taken as the plain tar that it should be.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/stream.hpp"
#include "imagestore/blob_table.hpp"
#include "imagestore/decompression.hpp"

namespace lighterd::imagestore {

// What is done with a layer that is not compressed.
enum class PlainLayers {
  kHash,
  kLeave,  // its diff ID is the digest that somebody computes anyway
};

class LayerDigester final : public base::Sink {
 public:
  explicit LayerDigester(DecompressionLimits limits = {}, PlainLayers plain = PlainLayers::kHash);
  ~LayerDigester() override;

  // kDataLoss when the stream is damaged or meets a limit; the object is of no use then.
  void write(base::Bytes data) override;
  // Nothing for a plain layer that was left. kDataLoss when the compressed stream ends early. Once.
  std::optional<LayerContent> finish();
  // Known once kMagicBytes were written, or finish() was called.
  Compression compression() const { return compression_; }

 private:
  void start();
  void decode(base::Bytes data);
  void add(base::Bytes content);

  DecompressionBudget budget_;
  PlainLayers plain_;
  oci::DigestHasher hasher_;
  bool started_ = false;
  Compression compression_ = Compression::kNone;
  std::unique_ptr<Decoder> decoder_;
  std::vector<std::byte> buffer_;
  std::string magic_;  // until there is enough of it to tell the format
};

}  // namespace lighterd::imagestore
