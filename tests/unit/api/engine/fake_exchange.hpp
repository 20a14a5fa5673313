// SPDX-License-Identifier: Apache-2.0
// A request and a response without a server: what a handler is given, and a record of what it answered.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/request.hpp"
#include "api/http/response.hpp"
#include "base/error.hpp"
#include "tests/support/text_source.hpp"

namespace lighterd::tests {

class FakeResponse final : public api::Response {
 public:
  void set_header(std::string name, std::string value) override { headers[std::move(name)] = std::move(value); }
  void add_header(std::string name, std::string value) override { headers[std::move(name)] += std::move(value); }
  void send(int code, std::string_view type, std::string_view text) override {
    start(code, type);
    body = text;
    complete = true;
  }
  void send_file(int, std::string_view, base::UniqueFd, std::uint64_t, std::uint64_t) override { std::abort(); }
  std::unique_ptr<api::ResponseStream> start_stream(int code, std::string_view type) override {
    start(code, type);
    return std::make_unique<Stream>(*this);
  }
  std::unique_ptr<api::ResponseStream> start_sized_stream(int code, std::string_view type, std::uint64_t) override {
    return start_stream(code, type);
  }
  bool started() const override { return status != 0; }

  int status = 0;  // 0: nothing was sent
  std::string content_type;
  std::map<std::string, std::string> headers;
  std::string body;                 // of streams as well
  std::vector<std::string> writes;  // of a stream
  bool complete = false;            // sent, or the stream was finished
  std::optional<std::size_t> fail_writes_from = {};

 private:
  class Stream final : public api::ResponseStream {
   public:
    explicit Stream(FakeResponse& owner) : owner_(owner) {}
    void write(base::Bytes data) override {
      if (owner_.fail_writes_from && owner_.writes.size() >= *owner_.fail_writes_from)
        throw base::Error(base::ErrorCode::kCancelled, "client gone");
      owner_.writes.emplace_back(base::as_text(data));
      owner_.body += owner_.writes.back();
    }
    void finish() override { owner_.complete = true; }

   private:
    FakeResponse& owner_;
  };

  void start(int code, std::string_view type) {
    if (started()) throw std::logic_error("answered twice");
    status = code;
    content_type = type;
  }
};

}  // namespace lighterd::tests
