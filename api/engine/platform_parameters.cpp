// SPDX-License-Identifier: Apache-2.0
#include "api/engine/platform_parameters.hpp"

#include <algorithm>
#include <utility>

#include "base/encoding.hpp"
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
  constexpr std::size_t kMostNamed = 32;
  constexpr std::size_t kMaxNameBytes = 64;
  std::string there;
  for (std::size_t i = 0; i < std::min(missing.there().size(), kMostNamed); ++i)
    there += (i == 0 ? "" : ", ") + base::printable(missing.there()[i], kMaxNameBytes);
  if (missing.there().size() > kMostNamed) there += " ...";
  throw Error(missing.code(), missing.text() + "; there is " + (there.empty() ? "none" : there));
}

}  // namespace lighterd::api
