// SPDX-License-Identifier: Apache-2.0
#include "distribution/body_source.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
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

class FileRangeSource final : public base::Source {
 public:
  FileRangeSource(std::shared_ptr<const base::UniqueFd> fd, std::filesystem::path path, std::int64_t offset,
                  std::int64_t length)
      : fd_(std::move(fd)), path_(std::move(path)), offset_(offset), left_(length) {}
  std::size_t read(std::span<std::byte> buffer) override {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::int64_t>(static_cast<std::int64_t>(buffer.size()), left_));
    for (;;) {
      const ssize_t count = ::pread(fd_->get(), buffer.data(), wanted, offset_);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw base::errno_error(errno, "read " + path_.string());
      offset_ += count;
      left_ -= count;
      return static_cast<std::size_t>(count);
    }
  }

 private:
  std::shared_ptr<const base::UniqueFd> fd_;
  std::filesystem::path path_;
  std::int64_t offset_;
  std::int64_t left_;
};

class TextRangeSource final : public base::Source {
 public:
  TextRangeSource(std::shared_ptr<const std::string> text, std::int64_t offset, std::int64_t length)
      : text_(std::move(text)),
        rest_(std::string_view(*text_).substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(length))) {}
  std::size_t read(std::span<std::byte> buffer) override {
    const std::size_t count = rest_.copy(reinterpret_cast<char*>(buffer.data()), buffer.size());
    rest_.remove_prefix(count);
    return count;
  }

 private:
  std::shared_ptr<const std::string> text_;
  std::string_view rest_;
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

UploadContent make_file_content(base::UniqueFd fd, std::filesystem::path path_for_errors, std::int64_t size_bytes) {
  auto shared = std::make_shared<const base::UniqueFd>(std::move(fd));
  return {size_bytes, [shared, path = std::move(path_for_errors)](std::int64_t offset, std::int64_t length) {
            return std::make_unique<FileRangeSource>(shared, path, offset, length);
          }};
}

UploadContent make_text_content(std::string bytes) {
  auto shared = std::make_shared<const std::string>(std::move(bytes));
  const auto size = static_cast<std::int64_t>(shared->size());
  return {size, [shared](std::int64_t offset, std::int64_t length) {
            return std::make_unique<TextRangeSource>(shared, offset, length);
          }};
}

RequestBody count_sent(RequestBody body, std::function<void(std::int64_t)> on_sent) {
  if (!on_sent) return body;
  return {body.content_type, body.length_bytes, [open = body.open, on_sent = std::move(on_sent)] {
            return std::make_unique<CountingSource>(open(), on_sent);
          }};
}

}  // namespace lighterd::distribution
