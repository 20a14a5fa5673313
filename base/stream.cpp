// SPDX-License-Identifier: Apache-2.0
#include "base/stream.hpp"

#include <array>

#include "base/error.hpp"

namespace lighterd::base {

BoundedStringSink::BoundedStringSink(std::size_t limit_bytes, std::string what)
    : limit_bytes_(limit_bytes), what_(std::move(what)) {}

void BoundedStringSink::write(Bytes data) {
  if (data.size() > limit_bytes_ - text_.size())
    throw Error(ErrorCode::kDataLoss, what_ + " is larger than " + std::to_string(limit_bytes_) + " bytes");
  text_.append(as_text(data));
}

std::string read_all(Source& source, std::size_t limit_bytes, const std::string& what) {
  BoundedStringSink sink(limit_bytes, what);
  std::array<std::byte, 16 * 1024> buffer;
  while (const std::size_t count = source.read(buffer)) sink.write(Bytes(buffer).first(count));
  return sink.take();
}

}  // namespace lighterd::base
