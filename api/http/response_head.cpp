// SPDX-License-Identifier: Apache-2.0
#include "api/http/response_head.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

#include "api/http/syntax.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

constexpr std::pair<int, std::string_view> kReasons[] = {
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

std::string_view reason_phrase(int status) {
  for (const auto& [code, reason] : kReasons)
    if (code == status) return reason;
  return "Status";
}

void add_field(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(": ").append(value).append("\r\n");
}

void add_framing(std::string& text, const ResponseHead& head) {
  switch (head.framing) {
    case ResponseFraming::kLength:
      return add_field(text, "Content-Length", std::to_string(head.length_bytes));
    case ResponseFraming::kChunked:
      return add_field(text, "Transfer-Encoding", "chunked");
    case ResponseFraming::kNone:
    case ResponseFraming::kUntilClose:
      return;
  }
}

}  // namespace

std::string ResponseHead::to_text() const {
  std::string text;
  text.reserve(256);
  text.append("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(reason_phrase(status)).append("\r\n");
  if (headers != nullptr)
    for (const auto& [name, value] : *headers) add_field(text, name, value);
  if (!content_type.empty()) add_field(text, "Content-Type", content_type);
  add_framing(text, *this);
  add_field(text, "Date", http_date(std::time(nullptr)));
  if (!keep_alive) add_field(text, "Connection", "close");
  text += "\r\n";
  return text;
}

bool status_has_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

std::string http_date(std::time_t seconds) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  using std::chrono::days;
  const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::array<char, 64> buffer;
  const int size = std::snprintf(buffer.data(), buffer.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
                                 kDays.at(std::chrono::weekday(day).c_encoding()), static_cast<unsigned>(date.day()),
                                 kMonths.at(static_cast<unsigned>(date.month()) - 1), static_cast<int>(date.year()),
                                 static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                                 static_cast<int>(clock.seconds().count()));
  return {buffer.data(), static_cast<std::size_t>(size)};
}

void check_response_header(std::string_view name, std::string_view value) {
  using base::Error;
  using base::ErrorCode;
  if (!is_token(name)) throw Error(ErrorCode::kInvalidArgument, "bad response header name");
  if (!is_field_value(value))
    throw Error(ErrorCode::kInvalidArgument, "bad value of response header " + std::string(name));
  for (const std::string_view owned : {"Transfer-Encoding", "Connection", "Date"})
    if (base::equals_ignoring_case(name, owned))
      throw Error(ErrorCode::kInvalidArgument, "response header is the server's: " + std::string(name));
}

}  // namespace lighterd::api
