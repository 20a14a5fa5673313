// SPDX-License-Identifier: Apache-2.0
// JSON documents written again for people: the same values and members in the same order. In time and memory as the
// text is long.
#pragma once

#include <string>
#include <string_view>

namespace lighterd::cli {

// How foreign characters are written: a terminal gets escapes, so that none can be a command to it.
enum class Charset { kUtf8, kAscii };

// With an indent of 2, ending in a line feed. Failure kFailed for what is no document, or more than 64 levels deep.
std::string prettify(std::string_view text, Charset charset);
// On one line, without a line feed.
std::string compact(std::string_view text, Charset charset);

}  // namespace lighterd::cli
