// SPDX-License-Identifier: Apache-2.0
// Names as the user types them.
#pragma once

#include <string>
#include <string_view>

#include "oci/reference.hpp"

namespace lighterd::cli {

// Throws Failure kUsage.
oci::Reference parse_image_name(const std::string& name);

// Whether the registry is written as a URL, which remote commands take: the daemon reads those.
bool is_url(std::string_view name);

}  // namespace lighterd::cli
