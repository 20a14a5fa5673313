// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>

#include "base/stream.hpp"

namespace lighterd::tests {

// Gives at most `piece_bytes` at a time, as a network does.
class TextSource final : public base::Source {
 public:
  explicit TextSource(std::string text, std::size_t piece_bytes = SIZE_MAX)
      : text_(std::move(text)), piece_bytes_(piece_bytes) {}
  std::size_t read(std::span<std::byte> buffer) override {
    const auto bytes = base::as_bytes(text_).subspan(offset_);
    const std::size_t count = std::min({buffer.size(), bytes.size(), piece_bytes_});
    std::copy_n(bytes.begin(), count, buffer.begin());
    offset_ += count;
    return count;
  }
  bool was_read() const { return offset_ > 0; }
  bool is_at_end() const { return offset_ == text_.size(); }

 private:
  std::string text_;
  std::size_t piece_bytes_;
  std::size_t offset_ = 0;
};

}  // namespace lighterd::tests
