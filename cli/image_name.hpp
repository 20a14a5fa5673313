// SPDX-License-Identifier: Apache-2.0
// Names as the user types them.
#pragma once

#include <string>
#include <string_view>

#include "oci/reference.hpp"

namespace lighterd::cli {

// Throws Failure kUsage.
oci::Reference parse_image_name(const std::string& name);

// The same with the registry as a URL, or as any name of Hub's, if it is: what remote commands take.
oci::Reference parse_remote_name(const std::string& name);

// Whether the registry is written as a URL.
bool is_url(std::string_view name);

}  // namespace lighterd::cli
