// SPDX-License-Identifier: Apache-2.0
#include "api/http/head_parser.hpp"

#include <algorithm>
#include <limits>

#include "api/http/syntax.hpp"
#include "base/encoding.hpp"

namespace lighterd::api {
namespace {

// X-Registry-Auth and the names of a multi-image save need more than the usual 8 KiB.
constexpr std::size_t kMaxLineBytes = 16 * 1024;
constexpr std::size_t kMaxMethodBytes = 32;
constexpr char kTlsHandshakeRecord = 0x16;

bool is_target_char(char c) {
  return c > 0x20 && c < 0x7f && c != '#';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Calls take(item) for each element of a comma-separated list, empty ones included; stops at false.
template <typename Take>
bool for_each_item(std::string_view list, Take take) {
  for (;;) {
    const auto comma = list.find(',');
    if (!take(trim_blanks(list.substr(0, comma)))) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace

void HeadParser::reset() {
  *this = HeadParser(limits_);
}

bool HeadParser::fail(int status, std::string message) {
  fault_ = {status, std::move(message)};
  return false;
}

HeadParser::Verdict HeadParser::feed(std::string_view bytes) {
  for (;;) {
    if (stage_ == Stage::kRequestLine && !check_method_so_far(bytes)) return Verdict::kFault;
    const std::size_t head_left = limits_.max_head_bytes - std::min(limits_.max_head_bytes, line_start_);
    const std::size_t window_end = line_start_ + std::min(kMaxLineBytes, head_left);
    const auto newline = bytes.substr(0, window_end).find('\n', std::max(scanned_, line_start_));
    if (newline == std::string_view::npos) {
      scanned_ = std::min(bytes.size(), window_end);
      if (bytes.size() < window_end) return Verdict::kMore;
      if (stage_ == Stage::kRequestLine && head_left >= kMaxLineBytes)
        fail(414, "request line is too long");
      else
        fail(431, "request head is too large");
      return Verdict::kFault;
    }
    const std::string_view line = bytes.substr(line_start_, newline - line_start_);
    const bool first_line = line_start_ == 0;
    line_start_ = newline + 1;
    if (!line.ends_with('\r')) {
      fail(400, "line feed without carriage return in the request head");
      return Verdict::kFault;
    }
    if (first_line && line.size() == 1) continue;  // RFC 9112 section 2.2: one empty line is forgiven
    if (!take_line(line.substr(0, line.size() - 1))) return Verdict::kFault;
    if (stage_ == Stage::kEnd) return Verdict::kDone;
  }
}

// Foreign protocols seldom send a line feed: do not wait for one before saying no.
bool HeadParser::check_method_so_far(std::string_view bytes) {
  const std::string_view line = bytes.substr(line_start_, kMaxMethodBytes + 1);
  if (line.empty() || (line_start_ == 0 && line[0] == '\r')) return true;
  if (line[0] == kTlsHandshakeRecord) return fail(400, "client sent a TLS handshake to a plain HTTP server");
  const auto end = std::find_if_not(line.begin(), line.end(), is_token_char);
  if (end == line.end()) return line.size() <= kMaxMethodBytes || fail(400, "malformed request line");
  return (*end == ' ' && end != line.begin()) || fail(400, "malformed request line");
}

bool HeadParser::take_line(std::string_view line) {
  if (stage_ == Stage::kRequestLine) {
    stage_ = Stage::kFields;
    return parse_request_line(line);
  }
  if (!line.empty()) return parse_field(line);
  stage_ = Stage::kEnd;
  return finish_head();
}

bool HeadParser::parse_request_line(std::string_view line) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return fail(400, "malformed request line");
  head_.method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (!is_token(head_.method) || target.empty() || !std::all_of(target.begin(), target.end(), is_target_char))
    return fail(400, "malformed request line");
  return parse_version(line.substr(last + 1)) && parse_target(target);
}

bool HeadParser::parse_version(std::string_view version) {
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) || version[6] != '.' ||
      !is_digit(version[7]))
    return fail(400, "malformed request line");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return fail(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  head_.http10 = version == "HTTP/1.0";
  head_.keep_alive = !head_.http10;
  return true;
}

bool HeadParser::parse_target(std::string_view target) {
  if (!target.starts_with('/')) {
    const auto scheme_end = target.find("://");
    const std::string_view scheme = target.substr(0, scheme_end);
    if (scheme_end == std::string_view::npos ||
        !(base::equals_ignoring_case(scheme, "http") || base::equals_ignoring_case(scheme, "https")))
      return fail(400, "malformed request target");
    target.remove_prefix(scheme_end + 3);
    const auto path_start = std::min(target.find_first_of("/?"), target.size());
    head_.authority = target.substr(0, path_start);
    target.remove_prefix(path_start);
    if (head_.authority.empty() || head_.authority.find('@') != std::string::npos)
      return fail(400, "malformed request target");
  }
  const auto question = target.find('?');
  head_.path = target.substr(0, question);
  if (head_.path.empty()) head_.path = "/";
  if (question != std::string_view::npos) head_.query = target.substr(question + 1);
  return true;
}

bool HeadParser::parse_field(std::string_view line) {
  if (head_.headers.all().size() == limits_.max_headers) return fail(431, "too many request headers");
  const auto colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  // A folded line starts with a blank and a blank before the colon is no token either.
  if (colon == std::string_view::npos || !is_token(name)) return fail(400, "malformed request header");
  const std::string_view value = trim_blanks(line.substr(colon + 1));
  if (!is_field_value(value)) return fail(400, "malformed request header");
  if (!apply_field(name, value)) return false;
  head_.headers.add(std::string(name), std::string(value));
  return true;
}

bool HeadParser::apply_field(std::string_view name, std::string_view value) {
  const auto is = [&](std::string_view other) {
    return name.size() == other.size() && base::equals_ignoring_case(name, other);
  };
  if (is("Host")) {
    ++hosts_;
  } else if (is("Content-Length")) {
    return set_content_length(value);
  } else if (is("Transfer-Encoding")) {
    return add_transfer_codings(value);
  } else if (is("Connection")) {
    for_each_item(value, [&](std::string_view option) {
      if (base::equals_ignoring_case(option, "close")) head_.keep_alive = false;
      return true;
    });
  } else if (is("Expect")) {
    if (!base::equals_ignoring_case(value, "100-continue")) return fail(417, "unknown expectation");
    head_.body.expects_continue = !head_.http10;
  }
  return true;
}

bool HeadParser::set_content_length(std::string_view value) {
  const auto length = base::parse_unsigned(value);
  if (has_length_ || !length || *length > std::uint64_t(std::numeric_limits<std::int64_t>::max()))
    return fail(400, "malformed Content-Length");
  has_length_ = true;
  head_.body.length_bytes = *length;
  return true;
}

bool HeadParser::add_transfer_codings(std::string_view value) {
  return for_each_item(value, [&](std::string_view coding) {
    if (coding.empty() || head_.body.kind == BodyKind::kChunked) return fail(400, "malformed Transfer-Encoding");
    if (base::equals_ignoring_case(coding, "chunked"))
      head_.body.kind = BodyKind::kChunked;
    else
      has_coding_ = true;
    return true;
  });
}

bool HeadParser::finish_head() {
  if (hosts_ > 1 || (hosts_ == 0 && !head_.http10)) return fail(400, "exactly one Host header is required");
  const bool chunked = head_.body.kind == BodyKind::kChunked;
  if ((chunked || has_coding_) && (has_length_ || head_.http10))
    return fail(400, "ambiguous length of the request body");
  if (has_coding_) return fail(501, "unknown transfer coding");
  if (head_.body.length_bytes > 0) head_.body.kind = BodyKind::kLength;
  if (head_.body.kind == BodyKind::kNone) head_.body.expects_continue = false;
  return true;
}

}  // namespace lighterd::api
