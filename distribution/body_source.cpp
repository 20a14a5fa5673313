// SPDX-License-Identifier: Apache-2.0
#include "distribution/body_source.hpp"

#include <algorithm>
#include <cstring>

namespace lighterd::distribution {
namespace {

class SharedTextSource final : public base::Source {
 public:
  explicit SharedTextSource(std::shared_ptr<const base::Secret> text) : text_(std::move(text)) {}
  std::size_t read(std::span<std::byte> buffer) override {
    const std::string& text = text_->reveal();
    const std::size_t count = std::min(buffer.size(), text.size() - at_);
    std::memcpy(buffer.data(), text.data() + at_, count);
    at_ += count;
    return count;
  }

 private:
  std::shared_ptr<const base::Secret> text_;
  std::size_t at_ = 0;
};

class CountingSource final : public base::Source {
 public:
  CountingSource(std::unique_ptr<base::Source> source, std::function<void(std::int64_t)> on_sent)
      : source_(std::move(source)), on_sent_(std::move(on_sent)) {}
  std::size_t read(std::span<std::byte> buffer) override {
    const std::size_t count = source_->read(buffer);
    sent_bytes_ += static_cast<std::int64_t>(count);
    if (count > 0) on_sent_(sent_bytes_);
    return count;
  }

 private:
  std::unique_ptr<base::Source> source_;
  std::function<void(std::int64_t)> on_sent_;
  std::int64_t sent_bytes_ = 0;
};

}  // namespace

RequestBody make_body(std::string content_type, std::string bytes) {
  // Wiped with its last user: a token request holds a password.
  const auto length = static_cast<std::int64_t>(bytes.size());
  auto text = std::make_shared<const base::Secret>(std::move(bytes));
  return {std::move(content_type), length, [text] { return std::make_unique<SharedTextSource>(text); }};
}

RequestBody count_sent(RequestBody body, std::function<void(std::int64_t)> on_sent) {
  if (!on_sent) return body;
  return {body.content_type, body.length_bytes, [open = body.open, on_sent = std::move(on_sent)] {
            return std::make_unique<CountingSource>(open(), on_sent);
          }};
}

}  // namespace lighterd::distribution
