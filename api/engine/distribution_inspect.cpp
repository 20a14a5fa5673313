// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "api/engine/endpoints.hpp"
#include "api/engine/image_json.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;

oci::Reference parse_remote_reference(const std::string& name) {
  const oci::ImageArgument argument = oci::parse_image_argument(name);
  // dockerd's answer is 500 here, the one place where an argument that cannot work is none of the client's faults.
  if (argument.id) throw Error(ErrorCode::kInternal, "no manifest found for full image ID");
  if (argument.reference->repository().familiar() == "scratch")
    throw Error(ErrorCode::kInvalidArgument, "'scratch' is a reserved name");
  return argument.reference->with_default_tag();
}

}  // namespace

void distribution_inspect(EngineCall& call) {
  const oci::Reference reference = parse_remote_reference(call.name());
  call.subject = reference.familiar();
  const auto image = call.services.remote.inspect(reference, make_operation_context(call), call.request.stop);
  // Null, as dockerd has it for what it does not look into, is more than docker-py's has_platform() can bear.
  nlohmann::ordered_json platforms = nlohmann::ordered_json::array();
  for (const oci::Platform& platform : image.platforms) platforms.push_back(platform_json(platform));
  const nlohmann::ordered_json body = {{"Descriptor",
                                        {{"mediaType", image.descriptor.media_type},
                                         {"digest", image.descriptor.digest.to_string()},
                                         {"size", image.descriptor.size_bytes}}},
                                       {"Platforms", std::move(platforms)}};
  send_json(call, 200, body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace lighterd::api
