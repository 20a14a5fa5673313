// SPDX-License-Identifier: Apache-2.0
#include "cli/platform_argument.hpp"

#include "base/error.hpp"
#include "cli/exit_code.hpp"

namespace lighterd::cli {

oci::Platform parse_platform_argument(const std::string& text) {
  try {
    return oci::parse_platform(text, oci::detect_host_platform());
  } catch (const base::Error& error) {
    throw Failure(ExitCode::kUsage, error.text());
  }
}

void check_platforms(const std::vector<std::string>& texts) {
  for (const auto& text : texts) {
    if (!text.empty() && text != kAllPlatforms) parse_platform_argument(text);
  }
}

}  // namespace lighterd::cli
