// SPDX-License-Identifier: Apache-2.0
#include "cli/image_name.hpp"

#include "cli/exit_code.hpp"

namespace lighterd::cli {

oci::Reference parse_image_name(const std::string& name) {
  try {
    return oci::parse_reference(name);
  } catch (const base::Error& error) {
    throw Failure(ExitCode::kUsage, "\"" + name + "\": " + error.text());
  }
}

bool is_url(std::string_view name) {
  return name.find("://") != std::string_view::npos;
}

}  // namespace lighterd::cli
