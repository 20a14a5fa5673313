// SPDX-License-Identifier: Apache-2.0
// Says what a blob's bytes, taken in order, turn out to be: size and digest, and of a layer the diff ID.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "imagestore/blob_table.hpp"
#include "imagestore/layer_digester.hpp"
#include "oci/descriptor.hpp"

namespace lighterd::imagestore {

enum class BlobKind { kPlain, kLayer };  // a layer's diff ID is computed on the way

// Not thread-safe.
class ContentVerifier {
 public:
  ContentVerifier(oci::DigestAlgorithm algorithm, BlobKind kind);

  void update(base::Bytes data);
  std::int64_t size_bytes() const { return size_bytes_; }

  // What the bytes are. Once, and then no check().
  const oci::Digest& finish();
  // kDataLoss: wrong size, wrong digest ("filesystem layer verification failed for digest ..." for layers). Once.
  void check(const oci::Descriptor& expected);
  // After check() or finish(): what the layer is uncompressed; nothing for a plain blob. kDataLoss: damaged
  // compression.
  std::optional<LayerContent> finish_layer();
  // Of a layer, after finish_layer().
  Compression compression() const { return layer_ ? layer_->compression() : Compression::kNone; }

 private:
  BlobKind kind_;
  oci::DigestHasher hasher_;
  std::optional<oci::Digest> digest_;  // once it was computed
  std::unique_ptr<LayerDigester> layer_;
  // Damaged compression matters only if the digest is right: then it is the image that is bad, not the transfer.
  std::optional<base::Error> layer_error_;
  std::int64_t size_bytes_ = 0;
};

// kDataLoss unless the claimed size is the real one (security-reliability A.1/6): a descriptor may be of another
// document than the one that the blob came in by.
void require_size(const oci::Descriptor& claimed, std::int64_t size_bytes);

}  // namespace lighterd::imagestore
