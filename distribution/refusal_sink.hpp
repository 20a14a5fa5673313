// SPDX-License-Identifier: Apache-2.0
// The beginning of the body of an answer that is not what was asked for; the rest is not waited for.
#pragma once

#include <string>

#include "base/stream.hpp"

namespace lighterd::distribution {

inline constexpr std::size_t kMaxRefusalBytes = std::size_t{64} * 1024;

class RefusalSink final : public base::Sink {
 public:
  // Thrown by write(), or by who has read the head, when enough has been said: ends the exchange, and is no error.
  struct Full {};
  void write(base::Bytes data) override {
    text_ += base::as_text(data).substr(0, kMaxRefusalBytes - text_.size());
    if (text_.size() == kMaxRefusalBytes) throw Full();
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace lighterd::distribution
