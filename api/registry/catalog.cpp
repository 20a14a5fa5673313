// SPDX-License-Identifier: Apache-2.0
#include "api/registry/endpoints.hpp"
#include "api/registry/paging.hpp"
#include "api/registry/registry_fault.hpp"

namespace lighterd::api::registry {

void version_check(RegistryCall& call) {
  send_json(call, 200, "{}", "application/json");
}

// As docker-registry has it: 100 unless n says otherwise, and no more than 1,000.
void catalog(RegistryCall& call) {
  const std::size_t limit = find_page_size(call).value_or(100);
  if (limit > kMaxPage)
    throw RegistryFault(FaultCode::kPaginationNumberInvalid, "", "{\"n\":" + std::to_string(limit) + "}");
  const auto page =
      limit == 0 ? imagestore::NamePage() : call.services.registry.list_repositories({page_start(call), limit});
  if (page.has_more) set_next_link(call, "/v2/_catalog", page.names.back(), limit);
  send_json(call, 200, "{\"repositories\":" + to_json_array(page.names) + "}\n", "application/json");
}

}  // namespace lighterd::api::registry
