// SPDX-License-Identifier: Apache-2.0
// The platforms that a save or a load is asked to keep to.
#pragma once

#include <vector>

#include "api/engine/engine_call.hpp"
#include "oci/platform.hpp"

namespace lighterd::api {

// None before API 1.48; kInvalidArgument for several before 1.52 and for what is no platform.
std::vector<oci::Platform> list_archive_platforms(const EngineCall& call);

}  // namespace lighterd::api
