// SPDX-License-Identifier: Apache-2.0
#include "api/registry/endpoints.hpp"
#include "api/registry/paging.hpp"
#include "api/registry/registry_fault.hpp"

namespace lighterd::api::registry {
namespace {

std::string to_json_array(const std::vector<std::string>& names) {
  std::string text = "[";
  for (const std::string& name : names) text += (text.size() == 1 ? "" : ",") + json_string(name);
  return text + "]";
}

imagestore::NamePage list_page(std::size_t limit, const auto& list) {
  return limit == 0 ? imagestore::NamePage{} : list();
}

}  // namespace

void version_check(RegistryCall& call) {
  send_json(call, 200, "{}", "application/json");
}

// As docker-registry has it: 100 unless n says otherwise, and no more than 1,000.
void catalog(RegistryCall& call) {
  const std::size_t limit = find_page_size(call).value_or(100);
  if (limit > kMaxPage)
    throw RegistryFault(FaultCode::kPaginationNumberInvalid, "", "{\"n\":" + std::to_string(limit) + "}");
  const auto page = list_page(limit, [&] {
    return call.services.registry.list_repositories({page_start(call), limit});
  });
  if (page.has_more) set_next_link(call, "/v2/_catalog", page.names.back(), limit);
  send_json(call, 200, "{\"repositories\":" + to_json_array(page.names) + "}\n", "application/json");
}

namespace {

void require_repository(const RegistryCall& call) {
  if (call.services.registry.find_repository(call.repository.name)) return;
  throw RegistryFault(FaultCode::kNameUnknown, "", "{\"name\":" + json_string(call.path_name) + "}");
}

// Old clients follow no Link: who names no number gets all, in memory a page at a time.
void stream_all_tags(RegistryCall& call) {
  call.status = 200;
  const auto stream = call.response.start_stream(200, "application/json");
  std::string text = "{\"name\":" + json_string(call.path_name) + ",\"tags\":[";
  imagestore::PageRequest request{page_start(call), kMaxPage};
  bool is_first = true;
  for (bool has_more = true; has_more;) {
    const auto page = call.services.registry.list_tags(call.repository.name, request);
    for (const std::string& tag : page.names) {
      if (!is_first) text += ',';
      is_first = false;
      text += json_string(tag);
    }
    has_more = page.has_more;
    if (has_more) request.after = page.names.back();
    if (!has_more) text += "]}\n";
    stream->write(base::as_bytes(text));
    text.clear();
  }
  stream->finish();
}

}  // namespace

void tags_list(RegistryCall& call) {
  const auto size = find_page_size(call);
  require_repository(call);
  if (!size) return stream_all_tags(call);
  const std::size_t limit = std::min(*size, kMaxPage);
  const auto page = list_page(limit, [&] {
    return call.services.registry.list_tags(call.repository.name, {page_start(call), limit});
  });
  if (page.has_more) set_next_link(call, "/v2/" + call.path_name + "/tags/list", page.names.back(), limit);
  send_json(call, 200, "{\"name\":" + json_string(call.path_name) + ",\"tags\":" + to_json_array(page.names) + "}\n",
            "application/json");
}

}  // namespace lighterd::api::registry
