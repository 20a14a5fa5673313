// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include "api/registry/endpoints.hpp"
#include "api/registry/paging.hpp"
#include "api/registry/registry_fault.hpp"

namespace lighterd::api::registry {
namespace {

// The tags of the repository: upstream's where it has one that can be asked, else those that are here.
class TagSource {
 public:
  // 404 NAME_UNKNOWN.
  explicit TagSource(RegistryCall& call) : call_(call) {
    if (const auto upstream = find_upstream(call)) {
      auto tags = call.services.upstream.list_tags(*upstream, call.request.stop);
      set_stale_warning(call, tags.stale);
      if (!tags.stale) upstream_ = std::move(tags.names);
    }
    if (!upstream_) require_repository();
  }

  imagestore::NamePage list(const imagestore::PageRequest& page) const {
    if (!upstream_) return call_.services.registry.list_tags(call_.repository.name, page);
    auto first = std::ranges::upper_bound(*upstream_, page.after);
    imagestore::NamePage found;
    for (; first != upstream_->end() && found.names.size() < page.limit; ++first) found.names.push_back(*first);
    found.has_more = first != upstream_->end();
    return found;
  }

 private:
  void require_repository() const;

  RegistryCall& call_;
  std::optional<std::vector<std::string>> upstream_;
};

void TagSource::require_repository() const {
  const RegistryCall& call = call_;
  if (call.services.registry.find_repository(call.repository.name)) return;
  throw RegistryFault(FaultCode::kNameUnknown, "", "{\"name\":" + json_string(call.path_name) + "}");
}

// Old clients follow no Link: who names no number gets all, in memory a page at a time.
void stream_all_tags(RegistryCall& call, const TagSource& tags) {
  call.status = 200;
  const auto stream = call.response.start_stream(200, "application/json");
  std::string text = "{\"name\":" + json_string(call.path_name) + ",\"tags\":[";
  imagestore::PageRequest request{page_start(call), kMaxPage};
  bool is_first = true;
  for (bool has_more = true; has_more;) {
    const auto page = tags.list(request);
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
  const TagSource tags(call);
  if (!size) return stream_all_tags(call, tags);
  const std::size_t limit = std::min(*size, kMaxPage);
  const auto page = limit == 0 ? imagestore::NamePage() : tags.list({page_start(call), limit});
  if (page.has_more) set_next_link(call, "/v2/" + call.path_name + "/tags/list", page.names.back(), limit);
  send_json(call, 200, "{\"name\":" + json_string(call.path_name) + ",\"tags\":" + to_json_array(page.names) + "}\n",
            "application/json");
}

}  // namespace lighterd::api::registry
