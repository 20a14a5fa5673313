// SPDX-License-Identifier: Apache-2.0
#include "api/engine/image_events.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/json.hpp"

namespace lighterd::api {
namespace {

Attributes labels_of(const std::optional<imagestore::ImageRecord>& image) {
  Attributes labels;
  if (!image) return labels;
  const base::Json object = base::parse_json(image->labels_json, "labels");
  for (const auto& [key, value] : object.items())
    if (value.is_string()) labels.emplace_back(key, value.get<std::string>());
  return labels;
}

}  // namespace

void add_image_event(EngineCall& call, std::string_view action, const oci::Digest& id) {
  Attributes attributes = labels_of(call.services.images.find_image(id.to_string()));
  attributes.emplace_back("name", id.to_string());
  call.services.events.add(std::string(action), id.to_string(), std::move(attributes));
}

void add_delete_event(EngineCall& call, const oci::Digest& id) {
  call.services.events.add("delete", id.to_string(), {{"name", id.to_string()}});
}

void add_name_event(EngineCall& call, std::string_view action, const oci::Digest& id, const oci::Reference& name) {
  call.services.events.add(std::string(action), id.to_string(), {{"name", name.familiar()}});
}

void add_prune_event(EngineCall& call, std::int64_t reclaimed_bytes) {
  call.services.events.add("prune", "", {{"reclaimed", std::to_string(reclaimed_bytes)}});
}

void add_transfer_event(const EngineServices& services, std::string_view action, const oci::Reference& reference) {
  Attributes attributes = labels_of(services.images.find_by_reference(reference));
  attributes.emplace_back("name", reference.repository().familiar());
  services.events.add(std::string(action), reference.familiar(), std::move(attributes));
}

}  // namespace lighterd::api
