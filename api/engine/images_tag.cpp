// SPDX-License-Identifier: Apache-2.0
#include "api/engine/endpoints.hpp"
#include "api/engine/image_events.hpp"
#include "api/engine/parameters.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;

// Whatever is wrong with the source, it is not there.
oci::Digest get_source(EngineCall& call) {
  try {
    return call.services.images.get_image(call.name()).target.digest;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInvalidArgument) throw Error(ErrorCode::kNotFound, error.text());
    throw;
  }
}

}  // namespace

void images_tag(EngineCall& call) {
  merge_form(call);
  const auto name = find_new_name(call.parameters);
  if (!name) throw Error(ErrorCode::kInvalidArgument, "the repository name (repo) must be given");
  const oci::Reference& tag = *name;
  call.subject = tag.familiar();
  const oci::Digest image = get_source(call);
  call.services.images.tag(image, tag);
  add_name_event(call, "tag", image, tag);
  call.status = 201;
  call.response.send(201, "", "");
}

}  // namespace lighterd::api
