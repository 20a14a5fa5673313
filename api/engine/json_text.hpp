// SPDX-License-Identifier: Apache-2.0
// JSON strings for the texts that are put together by hand: the list, which may have 10,000 items, and the progress
// records, of which every byte is prescribed.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace lighterd::api {

// Appends `text` in quotes. What is not UTF-8 becomes U+FFFD; '<', '>' and '&' stay as they are.
void append_json_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);

// Of JSON that is kept as text here, members by name. Its own parser would look at every member for each that it adds:
// a config's labels are as many as somebody likes.
nlohmann::ordered_json ordered_from_text(const std::string& text);

}  // namespace lighterd::api
