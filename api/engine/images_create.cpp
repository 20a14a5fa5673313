// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "api/engine/endpoints.hpp"
#include "api/engine/image_events.hpp"
#include "api/engine/parameters.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;

distribution::PlatformChoice find_platforms(const EngineCall& call) {
  const std::string text = get_text(call.parameters, "platform");
  if (text.empty() || call.version.is_before(32)) return {};
  return distribution::PlatformChoice::these({oci::parse_platform(text, call.services.host)});
}

[[noreturn]] void refuse_import(const EngineCall& call) {
  if (get_text(call.parameters, "fromSrc").empty())
    throw Error(ErrorCode::kInvalidArgument, "either fromImage or fromSrc must be given");
  throw Error(ErrorCode::kNotImplemented, "import is not implemented yet");
}

}  // namespace

void images_create(EngineCall& call) {
  // The body of an import is a root file system, whatever its Content-Type says (trap 31).
  if (call.parameters.find("fromSrc") == nullptr) merge_form(call);
  const auto platforms = find_platforms(call);
  const std::string image = get_text(call.parameters, "fromImage");
  if (image.empty()) refuse_import(call);
  const oci::Reference reference = oci::parse_pull_reference(image, get_text(call.parameters, "tag"));
  call.subject = reference.familiar();
  if (reference.repository().familiar() == "scratch")
    throw Error(ErrorCode::kPermissionDenied, "'scratch' is a reserved name");
  distribution::OperationContext context = make_operation_context(call);
  distribution::PullRequest request{.reference = reference, .platforms = platforms, .context = std::move(context)};
  request.on_published = [&](const oci::Reference& pulled) { add_transfer_event(call.services, "pull", pulled); };
  run_streamed(call, [&](distribution::ProgressSink& progress) {
    call.services.puller.pull(request, progress, call.request.stop);
  });
}

}  // namespace lighterd::api
