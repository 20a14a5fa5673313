// SPDX-License-Identifier: Apache-2.0
#include "api/http/response_writer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;

void check_status(int status) {
  if (status < 200 || status > 599) throw Error(ErrorCode::kInternal, "bad response status " + std::to_string(status));
}

}  // namespace

void ResponseBase::check_header(std::string_view name, std::string_view value) const {
  check_response_header(name, value);
  if (base::equals_ignoring_case(name, "Content-Length") && !traits_.head_only)
    throw Error(ErrorCode::kInvalidArgument, "response header is the server's: " + std::string(name));
}

void ResponseBase::add_header(std::string name, std::string value) {
  check_header(name, value);
  headers_.emplace_back(std::move(name), std::move(value));
}

void ResponseBase::set_header(std::string name, std::string value) {
  check_header(name, value);
  for (auto& [known, old] : headers_) {
    if (!base::equals_ignoring_case(known, name)) continue;
    old = std::move(value);
    return;
  }
  headers_.emplace_back(std::move(name), std::move(value));
}

void ResponseBase::start(bool keep_alive) {
  if (std::exchange(started_, true)) throw Error(ErrorCode::kInternal, "the request has been answered already");
  keep_alive_ = keep_alive;
}

std::string ResponseBase::length_head(int status, std::string_view content_type, std::uint64_t length_bytes) const {
  const bool has_length = std::ranges::any_of(
      headers_, [](const auto& field) { return base::equals_ignoring_case(field.first, "Content-Length"); });
  ResponseHead head;
  head.status = status;
  head.content_type = content_type;
  head.framing = status_has_body(status) && !has_length ? ResponseFraming::kLength : ResponseFraming::kNone;
  head.length_bytes = length_bytes;
  head.keep_alive = keep_alive_;
  head.headers = &headers_;
  return head.to_text();
}

InlineResponse::InlineResponse(ResponseTraits traits, std::string& output, std::function<bool()> keep_alive)
    : ResponseBase(traits), output_(output), may_keep_alive_(std::move(keep_alive)) {}

void InlineResponse::send(int status, std::string_view content_type, std::string_view body) {
  check_status(status);
  start(!started() && may_keep_alive_());
  output_ += length_head(status, content_type, body.size());
  if (sends_body(status)) output_ += body;
}

void InlineResponse::send_file(int, std::string_view, base::UniqueFd, std::uint64_t, std::uint64_t) {
  throw Error(ErrorCode::kInternal, "inline handlers cannot send files");
}

std::unique_ptr<ResponseStream> InlineResponse::start_stream(int, std::string_view) {
  throw Error(ErrorCode::kInternal, "inline handlers cannot stream");
}

std::unique_ptr<ResponseStream> InlineResponse::start_sized_stream(int, std::string_view, std::uint64_t) {
  throw Error(ErrorCode::kInternal, "inline handlers cannot stream");
}

// Frames each write as one chunk. Without chunks (HTTP/1.0) the body ends with the connection.
class WorkerResponse::Stream final : public ResponseStream {
 public:
  enum class Mode { kChunked, kUntilClose, kNoBody };

  Stream(WorkerResponse& response, Mode mode) : response_(response), mode_(mode) {}

  void write(base::Bytes data) override {
    if (response_.complete_) throw Error(ErrorCode::kInternal, "write to a finished response");
    if (data.empty() || mode_ == Mode::kNoBody) return;
    if (mode_ == Mode::kUntilClose) return send({&data, 1});
    std::array<char, 20> size_line;
    char* end = std::to_chars(size_line.data(), size_line.data() + 16, data.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    const std::string_view size(size_line.data(), static_cast<std::size_t>(end - size_line.data()));
    const std::array<base::Bytes, 3> pieces = {base::as_bytes(size), data, base::as_bytes("\r\n")};
    send(pieces);
  }

  void finish() override {
    if (response_.complete_) return;
    const base::Bytes last_chunk = base::as_bytes("0\r\n\r\n");
    if (mode_ == Mode::kChunked) send({&last_chunk, 1});
    response_.complete_ = true;
  }

  bool has_room() const override { return response_.wire_.has_room(); }

 private:
  // What fails may have sent a part: nothing may follow it.
  void send(std::span<const base::Bytes> pieces) {
    if (std::exchange(broken_, true)) throw Error(ErrorCode::kCancelled, "the response was broken off");
    response_.wire_.write_waiting(pieces, response_.stall_timeout_);
    broken_ = false;
  }

  WorkerResponse& response_;
  Mode mode_;
  bool broken_ = false;
};

class WorkerResponse::SizedStream final : public ResponseStream {
 public:
  SizedStream(WorkerResponse& response, std::uint64_t left_bytes) : response_(response), left_bytes_(left_bytes) {}

  void write(base::Bytes data) override {
    if (response_.complete_ || data.size() > left_bytes_)
      throw Error(ErrorCode::kInternal, "write beyond the promised length of a response");
    response_.wire_.write_waiting(data, response_.stall_timeout_);
    left_bytes_ -= data.size();
  }

  void finish() override {
    if (response_.complete_) return;
    if (left_bytes_ > 0) throw Error(ErrorCode::kInternal, "a response is shorter than promised");
    response_.complete_ = true;
  }

  bool has_room() const override { return response_.wire_.has_room(); }

 private:
  WorkerResponse& response_;
  std::uint64_t left_bytes_;
};

WorkerResponse::WorkerResponse(ResponseTraits traits, Wire& wire, BodyReader& body,
                               std::chrono::milliseconds stall_timeout, std::function<bool()> keep_alive)
    : ResponseBase(traits),
      wire_(wire),
      body_(body),
      stall_timeout_(stall_timeout),
      may_keep_alive_(std::move(keep_alive)) {}

bool WorkerResponse::keep_alive_after_body() {
  return !started() && may_keep_alive_() && body_.discard_available();
}

void WorkerResponse::send(int status, std::string_view content_type, std::string_view body) {
  check_status(status);
  start(keep_alive_after_body());
  const std::string head = length_head(status, content_type, body.size());
  const std::array<base::Bytes, 2> pieces = {base::as_bytes(head), base::as_bytes(sends_body(status) ? body : "")};
  wire_.write_waiting(pieces, stall_timeout_);
  complete_ = true;
}

void WorkerResponse::send_file(int status, std::string_view content_type, base::UniqueFd file,
                               std::uint64_t offset_bytes, std::uint64_t length_bytes) {
  check_status(status);
  start(keep_alive_after_body());
  std::string head = length_head(status, content_type, length_bytes);
  rest_ = FileBody{std::move(head), std::move(file), offset_bytes, sends_body(status) ? length_bytes : 0};
}

bool WorkerResponse::send_rest(std::chrono::milliseconds patience) {
  if (!rest_) return true;
  if (!wire_.send_file(*rest_, patience)) return false;
  rest_.reset();
  complete_ = true;
  return true;
}

std::unique_ptr<ResponseStream> WorkerResponse::start_stream(int status, std::string_view content_type) {
  check_status(status);
  const bool has_body = status_has_body(status);
  // The handler may go on reading the request while it streams; what is left of it then decides at the end.
  start(!started() && may_keep_alive_() && !(traits_.http10 && has_body));
  body_.send_continue();
  auto mode = Stream::Mode::kNoBody;
  ResponseHead head;
  head.status = status;
  head.content_type = content_type;
  head.keep_alive = keep_alive();
  head.headers = &headers_;
  if (has_body) head.framing = traits_.http10 ? ResponseFraming::kUntilClose : ResponseFraming::kChunked;
  if (sends_body(status)) {
    mode = traits_.http10 ? Stream::Mode::kUntilClose : Stream::Mode::kChunked;
    ends_by_close_ = traits_.http10;
  }
  wire_.write_waiting(base::as_bytes(head.to_text()), stall_timeout_);
  return std::make_unique<Stream>(*this, mode);
}

std::unique_ptr<ResponseStream> WorkerResponse::start_sized_stream(int status, std::string_view content_type,
                                                                   std::uint64_t length_bytes) {
  check_status(status);
  start(keep_alive_after_body());
  wire_.write_waiting(base::as_bytes(length_head(status, content_type, length_bytes)), stall_timeout_);
  return std::make_unique<SizedStream>(*this, sends_body(status) ? length_bytes : 0);
}

}  // namespace lighterd::api
