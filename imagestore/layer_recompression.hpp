// SPDX-License-Identifier: Apache-2.0
// A layer on its way into the store in one pass: what it is compressed with is seen first, and what registries do not
// take becomes gzip.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "imagestore/blob_adoption.hpp"
#include "imagestore/content_store.hpp"
#include "imagestore/decompression.hpp"
#include "imagestore/gzip_compressor.hpp"
#include "imagestore/layer_digester.hpp"

namespace lighterd::imagestore {

// The bytes of another source, the first of which were looked at. Not thread-safe; the source must outlive it.
class PeekedSource final : public base::Source {
 public:
  // Reads the first bytes; throws what the source throws.
  explicit PeekedSource(base::Source& source);
  Compression compression() const { return compression_; }
  std::size_t read(std::span<std::byte> buffer) override;

 private:
  base::Source& source_;
  std::string head_;  // read, and not given yet
  Compression compression_;
};

// A file in ingest/ whose digest is known when it ends. Not thread-safe.
class DigestedFile final : public base::Sink {
 public:
  explicit DigestedFile(ContentStore& content);
  void write(base::Bytes data) override;
  // Once.
  NewBlob finish(std::optional<LayerContent> layer = {});

 private:
  std::unique_ptr<SpoolFile> file_;
  oci::DigestHasher hasher_;
};

// The uncompressed bytes of a layer in any compression, which are hashed as they are read. Not thread-safe.
class PlainLayer final : public base::Source {
 public:
  // Source and sink must outlive it. The layer is written to `gzip` as it is read; null if nobody wants that.
  PlainLayer(base::Source& source, base::Sink* gzip);
  // kDataLoss: damaged, or beyond the limits of DecompressionLimits.
  std::size_t read(std::span<std::byte> buffer) override;
  // After the last byte was read; once.
  LayerContent finish();

 private:
  void fill();

  DecompressingSource source_;
  oci::DigestHasher hasher_;
  std::optional<GzipCompressor> compressor_;
  std::vector<std::byte> block_;
  base::Bytes unread_;
  std::int64_t bytes_ = 0;
};

// Reads to the end.
void drain(base::Source& source);

}  // namespace lighterd::imagestore
