// SPDX-License-Identifier: Apache-2.0
// Header fields that are lists (RFC 9110 section 5.6.1).
#pragma once

#include <string_view>
#include <vector>

#include "api/http/request.hpp"

namespace lighterd::api::registry {

// Items between commas, without the blanks around them; empty ones too.
std::vector<std::string_view> split_items(std::string_view text);
// Of all fields of that name; they live as long as the headers.
std::vector<std::string_view> header_items(const Headers& headers, std::string_view name);

}  // namespace lighterd::api::registry
