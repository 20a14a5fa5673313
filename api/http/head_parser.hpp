// SPDX-License-Identifier: Apache-2.0
// Request line and header fields, strictly by RFC 9112: what two parsers could read in two ways is refused.
// No I/O. The verdict does not depend on how the bytes were split.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/http/fault.hpp"
#include "api/http/request.hpp"

namespace lighterd::api {

struct HeadLimits {
  std::size_t max_head_bytes = 64 * 1024;
  std::size_t max_headers = 128;
};

enum class BodyKind { kNone, kLength, kChunked };

struct BodyFraming {
  BodyKind kind = BodyKind::kNone;
  std::uint64_t length_bytes = 0;
  bool expects_continue = false;
};

struct RequestHead {
  std::string method;
  std::string path;       // as sent, up to the question mark
  std::string query;      // as sent, behind it
  std::string authority;  // of an absolute-form target, else empty
  bool http10 = false;
  bool keep_alive = true;
  Headers headers;
  BodyFraming body;
};

class HeadParser {
 public:
  explicit HeadParser(const HeadLimits& limits) : limits_(limits) {}

  enum class Verdict { kMore, kDone, kFault };
  // All bytes since the start of the head, so far; what was looked at before is not looked at again.
  Verdict feed(std::string_view bytes);

  // After kDone, once.
  RequestHead take_head() { return std::move(head_); }
  std::size_t head_bytes() const { return line_start_; }
  // After kFault.
  const Fault& fault() const { return fault_; }

  void reset();

 private:
  enum class Stage { kRequestLine, kFields, kEnd };

  bool take_line(std::string_view line);
  bool parse_request_line(std::string_view line);
  bool parse_target(std::string_view target);
  bool parse_version(std::string_view version);
  bool parse_field(std::string_view line);
  bool finish_head();
  bool apply_field(std::string_view name, std::string_view value);
  bool set_content_length(std::string_view value);
  bool add_transfer_codings(std::string_view value);
  bool check_method_so_far(std::string_view bytes);
  bool fail(int status, std::string message);

  HeadLimits limits_;
  Stage stage_ = Stage::kRequestLine;
  std::size_t line_start_ = 0;
  std::size_t scanned_ = 0;
  std::size_t hosts_ = 0;
  bool has_length_ = false;
  bool has_coding_ = false;
  RequestHead head_;
  Fault fault_{400, {}};
};

}  // namespace lighterd::api
