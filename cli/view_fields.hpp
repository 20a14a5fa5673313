// SPDX-License-Identifier: Apache-2.0
// Members of the daemon's documents as the tables show them. Missing and null are empty; a member of a wrong type is
// kInvalidArgument.
#pragma once

#include <string>
#include <string_view>

#include "base/json.hpp"

namespace lighterd::cli {

std::string text_of(const base::Json& object, std::string_view key);
std::string size_of(const base::Json& object, std::string_view key);

}  // namespace lighterd::cli
