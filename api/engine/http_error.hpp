// SPDX-License-Identifier: Apache-2.0
// How an error looks to a Docker client: the one table from ErrorCode to HTTP status, and {"message": ...}
// (engine-api.md section 1.3, style.md section 2.4).
#pragma once

#include <string>
#include <string_view>

#include "api/http/response.hpp"
#include "base/error.hpp"

namespace lighterd::api {

// The exact header: Go clients compare the whole of it (trap 2).
inline constexpr std::string_view kJsonContentType = "application/json";

int http_status(base::ErrorCode code) noexcept;

// {"message":"<text>"} and a line feed.
std::string error_body(std::string_view message);
void send_error(Response& response, int status, std::string_view message);

}  // namespace lighterd::api
