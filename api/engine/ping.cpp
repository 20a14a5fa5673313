// SPDX-License-Identifier: Apache-2.0
#include "api/engine/endpoints.hpp"

namespace lighterd::api {

void ping(EngineCall& call) {
  Response& response = call.response;
  response.set_header("Builder-Version", "1");  // no BuildKit here
  response.set_header("Swarm", "inactive");
  response.set_header("Cache-Control", "no-cache, no-store, must-revalidate");
  response.set_header("Pragma", "no-cache");
  response.send(200, "text/plain; charset=utf-8", call.request.method == "HEAD" ? "" : "OK");
}

}  // namespace lighterd::api
