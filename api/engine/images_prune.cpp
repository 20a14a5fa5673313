// SPDX-License-Identifier: Apache-2.0
// POST /images/prune: engine-api.md section 6.5.
#include <nlohmann/json.hpp>

#include "api/engine/endpoints.hpp"
#include "api/engine/image_events.hpp"
#include "api/engine/image_filter.hpp"
#include "api/engine/parameters.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;
using imagestore::ImageRecord;
using imagestore::Removal;
using imagestore::RemovalResult;
using Ordered = nlohmann::ordered_json;

// Which images go: those without a name, or with dangling=false all that there are, as far as the other filters let
// them.
class Selection {
 public:
  explicit Selection(EngineCall& call) : filter_(parse(call), call.services.images, base::now()) {}
  bool accepts(ImageRecord& image) const {
    const bool is_dangling = image.tags.empty() && image.digest_references.empty();
    return (is_dangling || includes_named_) && filter_.accepts(image);
  }

 private:
  // Sets includes_named_, which stands before the filter for that.
  Filters parse(const EngineCall& call) {
    Filters filters = Filters::parse(get_text(call.parameters, "filters"));
    filters.require_known({"dangling", "label", "label!", "until"});
    if (filters.values("until").size() > 1)
      throw Error(ErrorCode::kInvalidArgument, "more than one until filter specified");
    includes_named_ = !filters.find_bool("dangling").value_or(true);
    filters.remove("dangling");
    return filters;
  }

  bool includes_named_ = false;
  ImageFilter filter_;
};

// What goes with an image that had no name is reported as its name.
void append_report(Ordered& report, const Removal& removal, const RemovalResult& result) {
  const std::string id = removal.image.to_string();
  for (const oci::Reference& name : result.removed_names) report.push_back({{"Untagged", name.familiar()}});
  if (!result.image_removed) return;
  if (removal.names.empty()) report.push_back({{"Untagged", id}});
  report.push_back({{"Deleted", id}});
}

}  // namespace

void images_prune(EngineCall& call) {
  merge_form(call);
  const Selection selection(call);
  Ordered report = Ordered::array();
  const imagestore::PruneRequest request{.selects = [&](ImageRecord& image) { return selection.accepts(image); },
                                         .on_removed =
                                             [&](const Removal& removal, const RemovalResult& result) {
                                               append_report(report, removal, result);
                                               for (const oci::Reference& name : result.removed_names)
                                                 add_name_event(call, "untag", removal.image, name);
                                               if (result.image_removed) add_delete_event(call, removal.image);
                                             }};
  const std::int64_t reclaimed_bytes = call.services.images.prune(request, call.request.stop);
  add_prune_event(call, reclaimed_bytes);
  const Ordered body = {{"ImagesDeleted", report.empty() ? Ordered(nullptr) : std::move(report)},
                        {"SpaceReclaimed", reclaimed_bytes}};
  send_json(call, 200, body.dump());
}

}  // namespace lighterd::api
