// SPDX-License-Identifier: Apache-2.0
#include "imagestore/layer_digester.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace lighterd::imagestore {
namespace {

constexpr std::size_t kOutputBytes = 256 * 1024;

}  // namespace

LayerDigester::LayerDigester(DecompressionLimits limits, PlainLayers plain)
    : budget_(limits), plain_(plain), hasher_(oci::DigestAlgorithm::kSha256) {}

LayerDigester::~LayerDigester() = default;

void LayerDigester::start() {
  started_ = true;
  compression_ = compression_of(magic_);
  decoder_ = make_decoder(compression_);
  if (decoder_) buffer_.resize(kOutputBytes);
  decode(base::as_bytes(magic_));
}

void LayerDigester::write(base::Bytes data) {
  if (!started_) {
    const std::size_t count = std::min(kMagicBytes - magic_.size(), data.size());
    magic_ += base::as_text(data.first(count));
    data = data.subspan(count);
    if (magic_.size() < kMagicBytes) return;
    start();
  }
  decode(data);
}

void LayerDigester::decode(base::Bytes data) {
  budget_.add_input(data.size());
  if (!decoder_) return add(data);
  std::size_t produced = 0;
  do {
    produced = decoder_->decode(data, buffer_);
    add(base::Bytes(buffer_).first(produced));
  } while (produced == buffer_.size());
}

void LayerDigester::add(base::Bytes content) {
  budget_.add_output(content.size());
  if (decoder_ || plain_ == PlainLayers::kHash) hasher_.update(content);
}

std::optional<LayerContent> LayerDigester::finish() {
  if (!started_) start();
  if (!decoder_ && plain_ == PlainLayers::kLeave) return std::nullopt;
  if (decoder_ && !decoder_->is_complete())
    throw base::Error(base::ErrorCode::kDataLoss, "compressed layer ends early: unexpected EOF");
  return LayerContent{hasher_.finish(), budget_.output_bytes()};
}

}  // namespace lighterd::imagestore
