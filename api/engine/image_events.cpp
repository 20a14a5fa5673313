// SPDX-License-Identifier: Apache-2.0
#include "api/engine/image_events.hpp"

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/manifest.hpp"

namespace lighterd::api {
namespace {

Attributes labels_of(const std::optional<imagestore::ImageRecord>& image) {
  Attributes labels;
  if (!image) return labels;
  const base::Json object = base::parse_json(image->labels_json, "labels", {.max_bytes = oci::kMaxConfigBytes});
  for (const auto& [key, value] : object.items())
    if (value.is_string()) labels.emplace_back(key, value.get<std::string>());
  return labels;
}

// What it tells of is done: an event that cannot be made must not turn that into a failure.
void add_event(const EngineServices& services, std::string_view action, const std::string& actor_id,
               const std::function<Attributes()>& make_attributes) {
  try {
    services.events.add(std::string(action), actor_id, make_attributes());
  } catch (const std::exception& error) {
    services.logger.warn("event", {{"action", std::string(action)}, {"id", actor_id}, {"error", error.what()}});
  }
}

// With the image's labels.
void add_labelled_event(const EngineServices& services, std::string_view action, const std::string& actor_id,
                        const std::string& name,
                        const std::function<std::optional<imagestore::ImageRecord>()>& find_image) {
  add_event(services, action, actor_id, [&] {
    Attributes attributes = labels_of(find_image());
    attributes.emplace_back("name", name);
    return attributes;
  });
}

}  // namespace

void add_image_events(EngineCall& call, std::string_view action, const std::vector<oci::Digest>& ids) {
  // The last one, without its names: there may be as many of these as events.
  std::optional<imagestore::ImageRecord> image;
  for (const oci::Digest& id : ids) {
    const std::string name = id.to_string();
    add_labelled_event(call.services, action, name, name, [&] {
      if (image && image->target.digest == id) return image;
      image = call.services.images.find_image(name);
      if (image) image->tags.clear();
      return image;
    });
  }
}

void add_delete_event(EngineCall& call, const oci::Digest& id) {
  add_event(call.services, "delete", id.to_string(), [&] { return Attributes{{"name", id.to_string()}}; });
}

void add_name_event(EngineCall& call, std::string_view action, const oci::Digest& id, const oci::Reference& name) {
  add_event(call.services, action, id.to_string(), [&] { return Attributes{{"name", name.familiar()}}; });
}

void add_prune_event(EngineCall& call, std::int64_t reclaimed_bytes) {
  add_event(call.services, "prune", "", [&] { return Attributes{{"reclaimed", std::to_string(reclaimed_bytes)}}; });
}

void add_transfer_event(const EngineServices& services, std::string_view action, const oci::Reference& reference) {
  add_labelled_event(services, action, reference.familiar(), reference.repository().familiar(),
                     [&] { return services.images.find_by_reference(reference); });
}

}  // namespace lighterd::api
