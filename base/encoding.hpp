// SPDX-License-Identifier: Apache-2.0
// Text encodings that both the registry client and the HTTP server need.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lighterd::base {

std::string base64_encode(std::string_view bytes);
// Both alphabets (RFC 4648 sections 4 and 5), padded or not; nothing for any other character or a bad length.
std::optional<std::string> base64_decode(std::string_view text);

// RFC 3986: everything but unreserved characters becomes %XX.
std::string percent_encode(std::string_view text);
// Nothing for a malformed escape. plus_is_space as in query strings.
enum class PlusSign { kLiteral, kSpace };
std::optional<std::string> percent_decode(std::string_view text, PlusSign plus);

// ASCII only, whatever the locale.
std::string to_lower(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string_view trim(std::string_view text);
// Digits only, no sign, no overflow.
std::optional<unsigned long long> parse_unsigned(std::string_view text);

// Foreign text for a log line or an error: control characters (C0, DEL, C1, U+2028/9) and bytes that are not
// UTF-8 become '?', and what is longer than limit_bytes is cut at a character's border.
std::string printable(std::string_view text, std::size_t limit_bytes = 1024);

}  // namespace lighterd::base
