// SPDX-License-Identifier: Apache-2.0
// The path of a request, brought into the one form that routes are matched against.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lighterd::api {

// Percent-decoded once, repeated slashes collapsed, "." and ".." resolved (as Go's path.Clean, but a slash at the
// end stays). Nothing for a malformed escape or an encoded NUL.
std::optional<std::string> normalize_path(std::string_view raw);

}  // namespace lighterd::api
