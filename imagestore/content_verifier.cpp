// SPDX-License-Identifier: Apache-2.0
#include "imagestore/content_verifier.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

namespace {

// A plain tar is not hashed twice where its digest is its diff ID.
std::unique_ptr<LayerDigester> make_layer_digester(oci::DigestAlgorithm algorithm, BlobKind kind) {
  if (kind != BlobKind::kLayer) return nullptr;
  const auto plain = algorithm == oci::DigestAlgorithm::kSha256 ? PlainLayers::kLeave : PlainLayers::kHash;
  return std::make_unique<LayerDigester>(DecompressionLimits{}, plain);
}

}  // namespace

ContentVerifier::ContentVerifier(oci::DigestAlgorithm algorithm, BlobKind kind)
    : kind_(kind), hasher_(algorithm), layer_(make_layer_digester(algorithm, kind)) {}

void ContentVerifier::update(base::Bytes data) {
  hasher_.update(data);
  size_bytes_ += static_cast<std::int64_t>(data.size());
  if (!layer_ || layer_error_) return;
  try {
    layer_->write(data);
  } catch (const Error& error) {
    layer_error_ = error;
  }
}

const oci::Digest& ContentVerifier::finish() {
  return digest_.emplace(hasher_.finish());
}

void ContentVerifier::check(const oci::Descriptor& expected) {
  if (finish() == expected.digest) return require_size(expected, size_bytes_);
  throw Error(ErrorCode::kDataLoss, (kind_ == BlobKind::kLayer ? "filesystem layer verification failed for digest "
                                                               : "content verification failed for digest ") +
                                        expected.digest.to_string());
}

std::optional<LayerContent> ContentVerifier::finish_layer() {
  if (!layer_) return std::nullopt;
  if (layer_error_) throw *layer_error_;
  auto content = layer_->finish();
  return content ? content : LayerContent{*digest_, size_bytes_};
}

void require_size(const oci::Descriptor& claimed, std::int64_t size_bytes) {
  if (claimed.size_bytes == size_bytes) return;
  throw Error(ErrorCode::kDataLoss, "size of " + claimed.digest.to_string() + " is " + std::to_string(size_bytes) +
                                        " bytes, not " + std::to_string(claimed.size_bytes));
}

}  // namespace lighterd::imagestore
