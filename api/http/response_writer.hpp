// SPDX-License-Identifier: Apache-2.0
// The two answers: one is put into a buffer that the reactor sends, one is sent by a worker that may wait.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "api/http/body_reader.hpp"
#include "api/http/response.hpp"
#include "api/http/response_head.hpp"
#include "api/http/wire.hpp"

namespace lighterd::api {

struct ResponseTraits {
  bool head_only = false;  // the request is a HEAD
  bool http10 = false;
};

class ResponseBase : public Response {
 public:
  explicit ResponseBase(ResponseTraits traits) : traits_(traits) {}

  void set_header(std::string name, std::string value) final;
  void add_header(std::string name, std::string value) final;
  bool started() const final { return started_; }
  // Whether the connection may carry another request; meaningful when started.
  bool keep_alive() const { return keep_alive_; }

 protected:
  // Marks the answer as started; only once.
  void start(bool keep_alive);
  // For bodies of known length. A HEAD's Content-Length may have been set by the handler.
  void check_header(std::string_view name, std::string_view value) const;
  std::string length_head(int status, std::string_view content_type, std::uint64_t length_bytes) const;
  bool sends_body(int status) const { return !traits_.head_only && status_has_body(status); }

  ResponseTraits traits_;
  ResponseHeaders headers_;

 private:
  bool started_ = false;
  bool keep_alive_ = false;
};

class InlineResponse final : public ResponseBase {
 public:
  // keep_alive is asked when the answer starts.
  InlineResponse(ResponseTraits traits, std::string& output, std::function<bool()> keep_alive);

  void send(int status, std::string_view content_type, std::string_view body) override;
  [[noreturn]] void send_file(int status, std::string_view content_type, base::UniqueFd file,
                              std::uint64_t offset_bytes, std::uint64_t length_bytes) override;
  [[noreturn]] std::unique_ptr<ResponseStream> start_stream(int status, std::string_view content_type) override;
  [[noreturn]] std::unique_ptr<ResponseStream> start_sized_stream(int status, std::string_view content_type,
                                                                  std::uint64_t length_bytes) override;

 private:
  std::string& output_;
  std::function<bool()> may_keep_alive_;
};

class WorkerResponse final : public ResponseBase {
 public:
  WorkerResponse(ResponseTraits traits, Wire& wire, BodyReader& body, std::chrono::milliseconds stall_timeout,
                 std::function<bool()> keep_alive);

  void send(int status, std::string_view content_type, std::string_view body) override;
  void send_file(int status, std::string_view content_type, base::UniqueFd file, std::uint64_t offset_bytes,
                 std::uint64_t length_bytes) override;
  std::unique_ptr<ResponseStream> start_stream(int status, std::string_view content_type) override;
  std::unique_ptr<ResponseStream> start_sized_stream(int status, std::string_view content_type,
                                                     std::uint64_t length_bytes) override;

  // Sends what send_file was given, once the handler has returned. False when the client takes nothing for `patience`:
  // to be called again then. Throws as Wire::send_file.
  bool send_rest(std::chrono::milliseconds patience);

  // All that was promised has been sent.
  bool complete() const { return complete_; }
  // Its body ends where the connection does: cutting it needs a reset.
  bool ends_by_close() const { return ends_by_close_; }

 private:
  class Stream;
  class SizedStream;

  bool keep_alive_after_body();

  Wire& wire_;
  BodyReader& body_;
  std::chrono::milliseconds stall_timeout_;
  std::function<bool()> may_keep_alive_;
  std::optional<FileBody> rest_;
  bool complete_ = false;
  bool ends_by_close_ = false;
};

}  // namespace lighterd::api
