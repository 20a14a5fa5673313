// SPDX-License-Identifier: Apache-2.0
// The platforms that our own paths are asked for, and what they say of those that are not there (docs/lighter-api.md).
#pragma once

#include "api/engine/engine_call.hpp"
#include "distribution/platform_choice.hpp"

namespace lighterd::api {

// "platform", repeated, or "all". kInvalidArgument.
distribution::PlatformChoice parse_platform_choice(const EngineCall& call);

// What is missing, and which there is instead.
[[noreturn]] void throw_with_others(const distribution::PlatformMissing& missing);

// Runs `action`; its PlatformMissing says which there is.
template <typename Action>
auto listing_platforms(const Action& action) {
  try {
    return action();
  } catch (const distribution::PlatformMissing& missing) {
    throw_with_others(missing);
  }
}

}  // namespace lighterd::api
