// SPDX-License-Identifier: Apache-2.0
#include "api/registry/paging.hpp"

#include "api/registry/registry_fault.hpp"
#include "base/encoding.hpp"

namespace lighterd::api::registry {

std::optional<std::size_t> find_page_size(const RegistryCall& call) {
  const std::string* text = call.request.query.find("n");
  if (text == nullptr || text->empty()) return std::nullopt;
  const auto number = base::parse_unsigned(*text);
  if (!number) throw RegistryFault(FaultCode::kPaginationNumberInvalid, "", "{\"n\":" + json_string(*text) + "}");
  return static_cast<std::size_t>(*number);
}

std::string page_start(const RegistryCall& call) {
  const std::string* last = call.request.query.find("last");
  return last == nullptr ? std::string() : *last;
}

std::string to_json_array(const std::vector<std::string>& names) {
  std::string text = "[";
  for (const std::string& name : names) text += (text.size() == 1 ? "" : ",") + json_string(name);
  return text + "]";
}

void set_next_link(RegistryCall& call, std::string_view path, const std::string& last, std::size_t page_size,
                   const std::string& more) {
  std::string url = std::string(path) + "?last=" + base::percent_encode(last) + "&n=" + std::to_string(page_size);
  if (!more.empty()) url += "&" + more;
  if (const auto ns = find_namespace(call)) url += "&ns=" + base::percent_encode(*ns);
  call.response.set_header("Link", "<" + url + ">; rel=\"next\"");
}

}  // namespace lighterd::api::registry
