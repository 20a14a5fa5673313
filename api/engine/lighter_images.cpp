// SPDX-License-Identifier: Apache-2.0
// Our own paths about platforms (docs/lighter-api.md): what Docker's paths have no way to ask for.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/engine/endpoints.hpp"
#include "api/engine/image_transfers.hpp"
#include "api/engine/parameters.hpp"
#include "api/engine/platform_parameters.hpp"
#include "base/error.hpp"
#include "base/json.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;
using imagestore::ManifestEntry;
using Ordered = nlohmann::ordered_json;

std::string platform_name(const ManifestEntry& entry) {
  return oci::to_string(oci::platform_from_json(base::parse_json(entry.platform_json, "platform")));
}

Ordered entry_json(const ManifestEntry& entry) {
  return {{"Digest", entry.digest.to_string()}, {"Complete", entry.is_complete}, {"Size", entry.content_bytes}};
}

Ordered attestations_json(const std::vector<ManifestEntry>& entries, const std::string& subject) {
  Ordered attestations = Ordered::array();
  for (const ManifestEntry& entry : entries)
    if (entry.kind == ManifestEntry::Kind::kAttestation && entry.described == subject)
      attestations.push_back(entry_json(entry));
  return attestations;
}

Ordered platforms_json(const std::vector<ManifestEntry>& entries) {
  Ordered platforms = Ordered::array();
  for (const ManifestEntry& entry : entries) {
    if (entry.kind != ManifestEntry::Kind::kImage) continue;
    Ordered platform = {{"Platform", platform_name(entry)}};
    platform.update(entry_json(entry));
    platform["Attestations"] = attestations_json(entries, entry.digest.to_string());
    platforms.push_back(std::move(platform));
  }
  return platforms;
}

}  // namespace

void lighter_pull(EngineCall& call) {
  merge_form(call);
  const std::string image = get_text(call.parameters, "fromImage");
  if (image.empty()) throw Error(ErrorCode::kInvalidArgument, "fromImage must be given");
  const auto reference = oci::parse_pull_reference(image, get_text(call.parameters, "tag")).with_default_tag();
  pull_image(call, reference, parse_platform_choice(call), MissingPlatform::kListOthers);
}

void lighter_push(EngineCall& call) {
  merge_form(call);
  push_image(call, parse_platform_choice(call), MissingPlatform::kListOthers);
}

void lighter_platforms(EngineCall& call) {
  call.subject = call.name();
  const imagestore::ImageRecord image = call.services.images.get_image(call.name());
  const auto entries = call.services.images.list_entries(image.target.digest);
  const bool is_complete = std::ranges::all_of(entries, &ManifestEntry::is_complete);
  const Ordered answer = {{"Id", image.target.digest.to_string()},
                          {"MediaType", image.target.media_type},
                          {"Complete", is_complete},
                          {"Size", image.content_bytes},
                          {"Platforms", platforms_json(entries)}};
  send_json(call, 200, base::to_text(answer));
}

}  // namespace lighterd::api
