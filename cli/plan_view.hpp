// SPDX-License-Identifier: Apache-2.0
// GET /lighter/v1/remote/{name}/plan for people.
#pragma once

#include <string>

#include "base/json.hpp"

namespace lighterd::cli {

std::string render_plan(const base::Json& document);

}  // namespace lighterd::cli
