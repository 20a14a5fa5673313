// SPDX-License-Identifier: Apache-2.0
// Our own paths that look into a registry (docs/lighter-api.md, "Remote images").
#include "api/engine/endpoints.hpp"
#include "api/engine/parameters.hpp"
#include "api/engine/platform_parameters.hpp"
#include "api/engine/remote_json.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "distribution/remote_name.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;
using distribution::InspectRequest;

oci::Reference parse_name(EngineCall& call) {
  oci::Reference reference = distribution::parse_remote_name(call.name(), call.services.info.registries);
  // Not before: a URL may have a password in it, which is refused and not to be logged.
  call.subject = reference.familiar();
  if (reference.repository().familiar() == "scratch")
    throw Error(ErrorCode::kInvalidArgument, "'scratch' is a reserved name");
  return reference;
}

// The one platform, or all of them.
void read_platform(const EngineCall& call, InspectRequest& request) {
  const std::string text = get_text(call.parameters, "platform");
  if (text == "all") {
    request.platforms = InspectRequest::Platforms::kAll;
  } else if (!text.empty()) {
    request.platform = oci::parse_platform(text, call.services.host);
  }
}

// A digest, or the digits of one, or what a V1 registry has instead.
std::string read_id(const EngineCall& call, const oci::Reference& name) {
  const std::string id = get_text(call.parameters, "id");
  if (id.empty()) return id;
  if (!name.is_name_only())
    throw Error(ErrorCode::kInvalidArgument, "id goes with a name that has neither tag nor digest");
  if (!oci::find_digest(id) && !oci::find_digest("sha256:" + id))
    throw Error(ErrorCode::kInvalidArgument,
                "invalid image ID \"" + base::printable(id, 128) + "\": neither a digest nor 64 hexadecimal digits");
  return id;
}

InspectRequest read_request(EngineCall& call) {
  InspectRequest request{.name = parse_name(call), .context = make_operation_context(call)};
  request.id = read_id(call, request.name);
  read_platform(call, request);
  if (call.parameters.find("tags") != nullptr && !get_bool(call.parameters, "tags"))
    request.tags = InspectRequest::Tags::kLeave;
  if (get_bool(call.parameters, "referrers")) request.referrers = InspectRequest::Referrers::kList;
  return request;
}

}  // namespace

void remote_tags(EngineCall& call) {
  const oci::RepositoryName repository = parse_name(call).repository();
  const auto tags = call.services.remote.list_tags(repository, make_operation_context(call), call.request.stop);
  send_json(call, 200, remote_tags_json(repository, tags));
}

void remote_inspect(EngineCall& call) {
  const InspectRequest request = read_request(call);
  const auto description = listing_platforms([&] { return call.services.remote.describe(request, call.request.stop); });
  send_json(call, 200, remote_image_json(description));
}

void remote_plan(EngineCall& call) {
  distribution::PullRequest request{.reference = parse_name(call).with_default_tag(),
                                    .platforms = parse_platform_choice(call),
                                    .context = make_operation_context(call)};
  const auto plan = listing_platforms([&] { return call.services.planner.plan(request, call.request.stop); });
  send_json(call, 200, pull_plan_json(plan));
}

}  // namespace lighterd::api
