// SPDX-License-Identifier: Apache-2.0
// How bytes move between layers: a Source is pulled, a Sink is pushed to. Neither buffers without bound, and
// both may block; who needs to be stopped takes a std::stop_token when the object is made.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace lighterd::base {

using Bytes = std::span<const std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Source {
 public:
  virtual ~Source() = default;
  // Fills at most buffer.size() bytes and returns how many; 0 means the end. Throws Error.
  virtual std::size_t read(std::span<std::byte> buffer) = 0;
};

class Sink {
 public:
  virtual ~Sink() = default;
  // Takes all of it or throws Error.
  virtual void write(Bytes data) = 0;
};

// Collects at most limit_bytes; one byte more throws kDataLoss with "<what> is larger than <limit> bytes".
class BoundedStringSink final : public Sink {
 public:
  BoundedStringSink(std::size_t limit_bytes, std::string what);
  void write(Bytes data) override;
  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  std::size_t limit_bytes_;
  std::string what_;
  std::string text_;
};

// The whole source; the bound and the error are those of BoundedStringSink.
std::string read_all(Source& source, std::size_t limit_bytes, const std::string& what);

}  // namespace lighterd::base
