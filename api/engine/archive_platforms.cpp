// SPDX-License-Identifier: Apache-2.0
#include "api/engine/archive_platforms.hpp"

#include "api/engine/parameters.hpp"
#include "base/error.hpp"

namespace lighterd::api {

std::vector<oci::Platform> list_archive_platforms(const EngineCall& call) {
  if (call.version.is_before(48)) return {};
  auto platforms = list_json_platforms(call.parameters, "platform");
  if (platforms.size() > 1 && call.version.is_before(52))
    throw base::Error(
        base::ErrorCode::kInvalidArgument,
        "multiple platform parameters are not supported in this API version; use API version 1.52 or later");
  return platforms;
}

}  // namespace lighterd::api
