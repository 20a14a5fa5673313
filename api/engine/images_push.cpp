// SPDX-License-Identifier: Apache-2.0
#include "api/engine/endpoints.hpp"
#include "api/engine/image_transfers.hpp"
#include "api/engine/parameters.hpp"

namespace lighterd::api {

void images_push(EngineCall& call) {
  merge_form(call);
  distribution::PlatformChoice platforms;
  if (call.version.is_at_least(46)) {
    if (const auto platform = find_json_platform(call.parameters, "platform"))
      platforms = distribution::PlatformChoice::these({*platform});
  }
  push_image(call, platforms, MissingPlatform::kDockersText);
}

}  // namespace lighterd::api
