// SPDX-License-Identifier: Apache-2.0
// --platform as the user types it.
#pragma once

#include <string>
#include <vector>

#include "oci/platform.hpp"

namespace lighterd::cli {

inline constexpr const char* kAllPlatforms = "all";

// What it leaves out comes from the platform of this machine. Failure kUsage.
oci::Platform parse_platform_argument(const std::string& text);
// Each is a platform, "all", or empty, which is none. Failure kUsage.
void check_platforms(const std::vector<std::string>& texts);

}  // namespace lighterd::cli
