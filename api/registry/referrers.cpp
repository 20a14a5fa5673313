// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "api/registry/endpoints.hpp"
#include "api/registry/paging.hpp"
#include "base/encoding.hpp"
#include "base/json.hpp"

namespace lighterd::api::registry {

// Always an index, also of what is not here (trap 9): 404 would say that there is no such endpoint.
void referrers(RegistryCall& call) {
  const oci::Digest subject = parse_digest_parameter(call.request.path_parameter("digest"));
  const std::string* type = call.request.query.find("artifactType");
  const std::string artifact_type = type == nullptr ? "" : *type;
  const std::size_t limit = std::clamp<std::size_t>(find_page_size(call).value_or(kMaxPage), 1, kMaxPage);
  // What upstream cannot tell now is what was cached of it.
  if (const auto upstream = find_upstream(call))
    set_stale_warning(call, call.services.upstream.fetch_referrers(*upstream, subject, call.request.stop));
  const auto page =
      call.services.registry.list_referrers(call.repository.name, subject, artifact_type, {page_start(call), limit});
  nlohmann::ordered_json index;
  index["schemaVersion"] = 2;
  index["mediaType"] = std::string(oci::media_type::kOciIndex);
  index["manifests"] = nlohmann::ordered_json::array();
  for (const oci::Descriptor& each : page.manifests) index["manifests"].push_back(oci::to_ordered_json(each));
  if (!artifact_type.empty()) call.response.set_header("OCI-Filters-Applied", "artifactType");
  if (page.has_more) {
    const std::string filter = artifact_type.empty() ? "" : "artifactType=" + base::percent_encode(artifact_type);
    set_next_link(call, "/v2/" + call.path_name + "/referrers/" + subject.to_string(),
                  page.manifests.back().digest.to_string(), limit, filter);
  }
  send_json(call, 200, base::to_text(index), oci::media_type::kOciIndex);
}

}  // namespace lighterd::api::registry
