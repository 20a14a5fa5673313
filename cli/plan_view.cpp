// SPDX-License-Identifier: Apache-2.0
#include "cli/plan_view.hpp"

#include <nlohmann/json.hpp>

#include "cli/format.hpp"
#include "cli/table.hpp"
#include "cli/view_fields.hpp"

namespace lighterd::cli {
namespace {

using base::Json;

std::string render_blobs(const Json& document) {
  const Json* blobs = base::find_array(document, "Blobs");
  Table table({{"DIGEST"}, {"KIND"}, {"SIZE", Align::kRight}, {"FETCH", Align::kRight}, {"REUSE", Align::kRight}});
  if (blobs == nullptr) return {};
  for (const auto& blob : *blobs) {
    if (blob.is_object())
      table.add({short_digest(text_of(blob, "Digest")), text_of(blob, "Kind"), size_of(blob, "Size"),
                 size_of(blob, "Fetch"), size_of(blob, "Reuse")});
  }
  return table.empty() ? std::string() : "\n" + table.render();
}

}  // namespace

std::string render_plan(const Json& document) {
  KeyValues lines;
  lines.add("Name", text_of(document, "Name"));
  lines.add("Tag", text_of(document, "Tag"));
  lines.add("Digest", text_of(document, "Digest"));
  const bool is_up_to_date = base::find_bool(document, "UpToDate").value_or(false);
  return lines.render() + render_blobs(document) + "\nTotal: " + size_of(document, "Fetch") + " to fetch, " +
         size_of(document, "Reuse") + " reused; disk: " + size_of(document, "DiskNeeded") + " needed, " +
         size_of(document, "DiskFree") + " free\n" + (is_up_to_date ? "The image is up to date.\n" : "");
}

}  // namespace lighterd::cli
