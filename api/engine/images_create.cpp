// SPDX-License-Identifier: Apache-2.0
#include "api/engine/endpoints.hpp"
#include "api/engine/image_transfers.hpp"
#include "api/engine/parameters.hpp"

namespace lighterd::api {
namespace {

distribution::PlatformChoice find_platforms(const EngineCall& call) {
  const std::string text = get_text(call.parameters, "platform");
  if (text.empty() || call.version.is_before(32)) return {};
  return distribution::PlatformChoice::these({oci::parse_platform(text, call.services.host)});
}

}  // namespace

void images_create(EngineCall& call) {
  // The body of an import is a root file system, whatever its Content-Type says (trap 31).
  if (call.parameters.find("fromSrc") == nullptr) merge_form(call);
  const std::string image = get_text(call.parameters, "fromImage");
  if (image.empty()) return images_import(call);
  const auto platforms = find_platforms(call);
  const oci::Reference reference = oci::parse_pull_reference(image, get_text(call.parameters, "tag"));
  pull_image(call, reference, platforms, MissingPlatform::kDockersText);
}

}  // namespace lighterd::api
