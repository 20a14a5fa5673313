// SPDX-License-Identifier: Apache-2.0
// Status line and header fields of an answer.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include "api/http/response.hpp"

namespace lighterd::api {

enum class ResponseFraming { kNone, kLength, kChunked, kUntilClose };

struct ResponseHead {
  int status = 200;
  std::string_view content_type;  // none if empty
  ResponseFraming framing = ResponseFraming::kNone;
  std::uint64_t length_bytes = 0;
  bool keep_alive = false;
  const ResponseHeaders* headers = nullptr;

  std::string to_text() const;
};

// 1xx, 204 and 304 (RFC 9110 section 6.4.1).
bool status_has_body(int status);

// RFC 9110 section 5.6.7, whatever the locale.
std::string http_date(std::time_t seconds);

// Throws kInvalidArgument for what cannot stand in a header, and for the fields that the server owns.
void check_response_header(std::string_view name, std::string_view value);

}  // namespace lighterd::api
