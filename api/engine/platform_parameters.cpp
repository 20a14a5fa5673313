// SPDX-License-Identifier: Apache-2.0
#include "api/engine/platform_parameters.hpp"

#include <utility>

#include "base/error.hpp"

namespace lighterd::api {

using base::Error;
using base::ErrorCode;
using distribution::PlatformChoice;

PlatformChoice parse_platform_choice(const EngineCall& call) {
  constexpr std::size_t kMaxPlatforms = 64;
  const auto values = call.parameters.all("platform");
  if (values.size() > kMaxPlatforms)
    throw Error(ErrorCode::kInvalidArgument, "more than " + std::to_string(kMaxPlatforms) + " platforms");
  std::vector<oci::Platform> platforms;
  for (const std::string& value : values) {
    if (value == "all" && values.size() == 1) return PlatformChoice::all();
    if (value == "all") throw Error(ErrorCode::kInvalidArgument, "platform=all goes with no other platform");
    platforms.push_back(oci::parse_platform(value, call.services.host));
  }
  return PlatformChoice::these(std::move(platforms));
}

void throw_with_others(const distribution::PlatformMissing& missing) {
  std::string there;
  for (const std::string& platform : missing.there()) there += (there.empty() ? "" : ", ") + platform;
  throw Error(missing.code(), missing.text() + "; there is " + (there.empty() ? "none" : there));
}

}  // namespace lighterd::api
