// SPDX-License-Identifier: Apache-2.0
#include "api/engine/image_transfers.hpp"

#include <utility>

#include "api/engine/image_events.hpp"
#include "api/engine/parameters.hpp"
#include "api/engine/platform_parameters.hpp"
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

void run_transfer(EngineCall& call, MissingPlatform missing_platform,
                  const std::function<void(distribution::ProgressSink&)>& transfer) {
  run_streamed(call, [&](distribution::ProgressSink& progress) {
    try {
      transfer(progress);
    } catch (const distribution::PlatformMissing& missing) {
      if (missing_platform == MissingPlatform::kDockersText) throw;
      throw_with_others(missing);
    }
  });
}

}  // namespace

void pull_image(EngineCall& call, const oci::Reference& reference, const distribution::PlatformChoice& platforms,
                MissingPlatform missing) {
  call.subject = reference.familiar();
  if (reference.repository().familiar() == "scratch")
    throw Error(ErrorCode::kPermissionDenied, "'scratch' is a reserved name");
  distribution::OperationContext context = make_operation_context(call);
  distribution::PullRequest request{.reference = reference, .platforms = platforms, .context = std::move(context)};
  request.on_published = [&](const oci::Reference& pulled) { add_transfer_event(call.services, "pull", pulled); };
  run_transfer(call, missing, [&](distribution::ProgressSink& progress) {
    call.services.puller.pull(request, progress, call.request.stop);
  });
}

void push_image(EngineCall& call, const distribution::PlatformChoice& platforms, MissingPlatform missing) {
  const oci::Reference reference = parse_push_reference(call);
  call.subject = reference.familiar();
  distribution::OperationContext context = make_operation_context(call);
  distribution::PushRequest request{.repository = reference.repository(),
                                    .tag = reference.tag(),
                                    .platforms = platforms,
                                    .context = std::move(context)};
  if (call.request.headers.find("X-Registry-Auth") == nullptr) read_body_credentials(call, request.context.auth);
  request.on_pushed = [&](const oci::Reference& pushed) { add_transfer_event(call.services, "push", pushed); };
  run_transfer(call, missing, [&](distribution::ProgressSink& progress) {
    call.services.pusher.push(request, progress, call.request.stop);
  });
}

}  // namespace lighterd::api
