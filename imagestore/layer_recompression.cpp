// SPDX-License-Identifier: Apache-2.0
#include "imagestore/layer_recompression.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"

namespace lighterd::imagestore {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{256} * 1024;

}  // namespace

PeekedSource::PeekedSource(base::Source& source) : source_(source) {
  while (head_.size() < kMagicBytes) {
    std::array<std::byte, kMagicBytes> buffer;
    const std::size_t count = source_.read(std::span(buffer).first(kMagicBytes - head_.size()));
    if (count == 0) break;
    head_ += base::as_text(base::Bytes(buffer).first(count));
  }
  compression_ = compression_of(head_);
}

std::size_t PeekedSource::read(std::span<std::byte> buffer) {
  const std::size_t known = std::min(head_.size(), buffer.size());
  std::copy_n(base::as_bytes(head_).begin(), known, buffer.begin());
  head_.erase(0, known);
  // Whole blocks as far as there are any, the first one too.
  return known == buffer.size() ? known : known + source_.read(buffer.subspan(known));
}

DigestedFile::DigestedFile(ContentStore& content)
    : file_(content.start_file()), hasher_(oci::DigestAlgorithm::kSha256) {}

void DigestedFile::write(base::Bytes data) {
  file_->write(data);
  hasher_.update(data);
}

NewBlob DigestedFile::finish(std::optional<LayerContent> layer) {
  const std::int64_t size_bytes = file_->size_bytes();
  return {{hasher_.finish(), size_bytes, std::move(layer)}, std::move(file_)};
}

PlainLayer::PlainLayer(base::Source& source, base::Sink* gzip)
    : source_(source), hasher_(oci::DigestAlgorithm::kSha256), block_(kBlockBytes) {
  if (gzip != nullptr) compressor_.emplace(*gzip);
}

std::size_t PlainLayer::read(std::span<std::byte> buffer) {
  if (unread_.empty()) fill();
  const std::size_t count = std::min(buffer.size(), unread_.size());
  std::copy_n(unread_.begin(), count, buffer.begin());
  unread_ = unread_.subspan(count);
  return count;
}

LayerContent PlainLayer::finish() {
  if (compressor_) compressor_->finish();
  return {hasher_.finish(), bytes_};
}

void PlainLayer::fill() {
  unread_ = base::Bytes(block_).first(source_.read(block_));
  bytes_ += static_cast<std::int64_t>(unread_.size());
  // Of what is compressed the source has seen to it.
  if (bytes_ > DecompressionLimits().max_uncompressed_bytes)
    throw base::Error(base::ErrorCode::kDataLoss, "a layer is too large uncompressed");
  hasher_.update(unread_);
  if (compressor_) compressor_->write(unread_);
}

void drain(base::Source& source) {
  std::vector<std::byte> scratch(kBlockBytes);
  while (source.read(scratch) > 0) continue;
}

}  // namespace lighterd::imagestore
