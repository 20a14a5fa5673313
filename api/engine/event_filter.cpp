// SPDX-License-Identifier: Apache-2.0
#include "api/engine/event_filter.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "oci/reference.hpp"

namespace lighterd::api {
namespace {

std::string name_of(const Event& event) {
  const std::string* name = event.find_attribute("name");
  return name == nullptr ? std::string() : *name;
}

std::string without_tag(const std::string& name) {
  try {
    return oci::parse_reference(name).repository().familiar();
  } catch (const base::Error&) {  // no name, such as that of a prune
    return name;
  }
}

bool contains(const std::vector<std::string>& values, std::string_view text) {
  return std::ranges::find(values, text) != values.end();
}

bool matches_image(const std::vector<std::string>& values, const Event& event) {
  const std::string name = name_of(event);
  return contains(values, event.actor_id) || contains(values, name) || contains(values, without_tag(event.actor_id)) ||
         contains(values, without_tag(name));
}

bool matches_prefix(const std::vector<std::string>& values, const Event& event) {
  const std::string name = name_of(event);
  return std::ranges::any_of(
      values, [&](const std::string& value) { return event.actor_id.starts_with(value) || name.starts_with(value); });
}

// "k" or "k=v"
bool has_label(const Event& event, const std::string& label) {
  const std::size_t equals = label.find('=');
  const std::string* value = event.find_attribute(label.substr(0, equals));
  return value != nullptr && (equals == std::string::npos || *value == label.substr(equals + 1));
}

}  // namespace

EventFilter::EventFilter(const Filters& filters) {
  using Kind = Condition::Kind;
  // The prefixes are compared with every event, whatever it is of: so does dockerd.
  static constexpr std::pair<std::string_view, Kind> kKeys[] = {
      {"type", Kind::kType},         {"event", Kind::kAction},       {"scope", Kind::kScope},
      {"image", Kind::kImage},       {"label", Kind::kLabels},       {"container", Kind::kNamePrefix},
      {"daemon", Kind::kNamePrefix}, {"volume", Kind::kNamePrefix},  {"network", Kind::kNamePrefix},
      {"plugin", Kind::kNamePrefix}, {"service", Kind::kNamePrefix}, {"node", Kind::kNamePrefix},
      {"secret", Kind::kNamePrefix}, {"config", Kind::kNamePrefix}};
  for (const auto& [key, kind] : kKeys) {
    auto values = filters.values(key);
    if (!values.empty()) conditions_.push_back({kind, std::move(values)});
  }
}

bool EventFilter::accepts(const Event& event) const {
  return std::ranges::all_of(conditions_, [&](const Condition& condition) { return holds(condition, event); });
}

bool EventFilter::holds(const Condition& condition, const Event& event) {
  switch (condition.kind) {
    case Condition::Kind::kType:
      return contains(condition.values, "image");
    case Condition::Kind::kAction:
      return contains(condition.values, event.action);
    case Condition::Kind::kScope:
      return contains(condition.values, "local");
    case Condition::Kind::kImage:
      return matches_image(condition.values, event);
    case Condition::Kind::kNamePrefix:
      return matches_prefix(condition.values, event);
    case Condition::Kind::kLabels:
      return std::ranges::all_of(condition.values, [&](const std::string& label) { return has_label(event, label); });
  }
  return false;
}

}  // namespace lighterd::api
