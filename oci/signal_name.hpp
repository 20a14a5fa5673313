// SPDX-License-Identifier: Apache-2.0
// Signals of Linux as images name them.
#pragma once

#include <string_view>

namespace lighterd::oci {

// A number other than 0, or a name in any case, with "SIG" or without: "SIGTERM", "kill", "RTMIN+3".
bool is_signal(std::string_view text);

}  // namespace lighterd::oci
