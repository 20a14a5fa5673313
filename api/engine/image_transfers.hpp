// SPDX-License-Identifier: Apache-2.0
// Pull and push as endpoints answer them, whichever way the platforms were chosen: checked parameters, a progress
// stream, events.
#pragma once

#include "api/engine/engine_call.hpp"
#include "distribution/platform_choice.hpp"
#include "oci/reference.hpp"

namespace lighterd::api {

// What is said of a platform that an image does not have.
enum class MissingPlatform {
  kDockersText,
  kListOthers,  // and which it has
};

// Throws before anything was sent as Puller::pull does, and kPermissionDenied for a reserved name.
void pull_image(EngineCall& call, const oci::Reference& reference, const distribution::PlatformChoice& platforms,
                MissingPlatform missing);
// The image that the path names, with the tag of the path or of `tag`. kInvalidArgument before anything was sent; the
// rest is told in the stream.
void push_image(EngineCall& call, const distribution::PlatformChoice& platforms, MissingPlatform missing);

}  // namespace lighterd::api
