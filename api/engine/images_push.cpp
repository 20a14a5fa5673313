// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "api/engine/endpoints.hpp"
#include "api/engine/image_events.hpp"
#include "api/engine/parameters.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;

// The tag may stand in the name as well; the parameter wins.
oci::Reference parse_push_reference(const EngineCall& call) {
  const oci::Reference reference = oci::parse_reference(call.name());
  if (reference.digest())
    throw Error(ErrorCode::kInvalidArgument, "cannot push a digest reference: " + reference.familiar());
  const std::string tag = get_text(call.parameters, "tag");
  return tag.empty() ? reference : reference.with_tag(tag);
}

// Clients older than the header sent the credentials as the body; new ones send nothing, or "{}". What cannot be read
// is anonymous, as it is in the header.
void read_body_credentials(EngineCall& call, distribution::AuthConfig& auth) {
  constexpr std::size_t kMaxBytes = std::size_t{64} * 1024;
  try {
    const std::string body = base::read_all(*call.request.body, kMaxBytes, "body");
    if (!base::trim(body).empty()) auth = distribution::parse_auth_json(body);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
  }
}

}  // namespace

void images_push(EngineCall& call) {
  merge_form(call);
  const oci::Reference reference = parse_push_reference(call);
  call.subject = reference.familiar();
  distribution::OperationContext context = make_operation_context(call);
  distribution::PushRequest request{
      .repository = reference.repository(), .tag = reference.tag(), .platforms = {}, .context = std::move(context)};
  if (call.version.is_at_least(46)) {
    if (const auto platform = find_json_platform(call.parameters, "platform"))
      request.platforms = distribution::PlatformChoice::these({*platform});
  }
  if (call.request.headers.find("X-Registry-Auth") == nullptr) read_body_credentials(call, request.context.auth);
  request.on_pushed = [&](const oci::Reference& pushed) { add_transfer_event(call.services, "push", pushed); };
  run_streamed(call, [&](distribution::ProgressSink& progress) {
    call.services.pusher.push(request, progress, call.request.stop);
  });
}

}  // namespace lighterd::api
