// SPDX-License-Identifier: Apache-2.0
// GET /lighter/v1/remote/{name}/inspect for people.
#pragma once

#include <string>

#include "base/json.hpp"
#include "base/time.hpp"

namespace lighterd::cli {

// A member that is missing or null has no line; one of a wrong type is kInvalidArgument.
std::string render_inspect(const base::Json& document, base::Timestamp now);

}  // namespace lighterd::cli
