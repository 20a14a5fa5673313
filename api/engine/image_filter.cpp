// SPDX-License-Identifier: Apache-2.0
#include "api/engine/image_filter.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/manifest.hpp"

namespace lighterd::api {

using imagestore::ImageRecord;

namespace {

// An image whose config does not say is older than any that does.
base::Timestamp created_of(const ImageRecord& image) {
  return image.created.value_or(base::Timestamp::min());
}

base::Timestamp parse_until(const std::string& text, base::Timestamp now) {
  if (const auto time = parse_time_value(text, now)) return *time;
  throw base::Error(base::ErrorCode::kInvalidArgument, "invalid value for 'until' filter: failed to parse \"" +
                                                           base::printable(text, 256) + "\" as a time or a duration");
}

}  // namespace

ImageFilter::ImageFilter(const Filters& filters, imagestore::ImageStore& images, base::Timestamp now)
    : patterns_(filters.values("reference")) {
  filters.require_known({"before", "dangling", "label", "label!", "reference", "since", "until"});
  dangling_ = filters.find_bool("dangling");
  add_labels(filters, "label", true);
  add_labels(filters, "label!", false);
  for (const auto& value : filters.values("until")) added_before_.push_back(parse_until(value, now));
  for (const auto& name : filters.values("before")) created_before_.push_back(created_of(images.get_image(name)));
  for (const auto& name : filters.values("since")) created_after_.push_back(created_of(images.get_image(name)));
}

// "k", "k=v", and "k!=v", which turns the meaning round.
void ImageFilter::add_labels(const Filters& filters, const std::string& key, bool wanted) {
  for (const std::string& text : filters.values(key)) {
    const std::size_t equals = text.find('=');
    Label label{.name = text.substr(0, equals), .value = {}, .wanted = wanted};
    if (equals != std::string::npos) label.value = text.substr(equals + 1);
    if (label.value && label.name.ends_with('!')) {
      label.name.pop_back();
      label.wanted = !wanted;
    }
    labels_.push_back(std::move(label));
  }
}

bool ImageFilter::accepts(ImageRecord& image) const {
  const bool is_dangling = image.tags.empty() && image.digest_references.empty();
  if (dangling_ && *dangling_ != is_dangling) return false;
  return matches_times(image) && matches_labels(image) && limit_names(image);
}

bool ImageFilter::limit_names(ImageRecord& image) const {
  if (patterns_.empty()) return true;
  std::erase_if(image.tags, [&](const oci::Reference& tag) { return !matches_reference(tag); });
  std::erase_if(image.digest_references, [&](const oci::RepositoryName& repository) {
    return !matches_reference(oci::Reference(repository, std::nullopt, image.target.digest));
  });
  return !image.tags.empty() || !image.digest_references.empty();
}

bool ImageFilter::matches_reference(const oci::Reference& name) const {
  const std::string forms[] = {name.familiar(), name.repository().familiar(), name.to_string(),
                               name.repository().to_string()};
  return std::ranges::any_of(patterns_, [&](const std::string& pattern) {
    return std::ranges::any_of(forms, [&](const std::string& form) { return matches_pattern(pattern, form); });
  });
}

bool ImageFilter::matches_labels(const ImageRecord& image) const {
  if (labels_.empty()) return true;
  const base::Json labels = base::parse_json(image.labels_json, "labels", {.max_bytes = oci::kMaxConfigBytes});
  return std::ranges::all_of(labels_, [&](const Label& label) {
    const auto found = labels.find(label.name);
    const bool matches = found != labels.end() && (!label.value || *found == *label.value);
    return matches == label.wanted;
  });
}

bool ImageFilter::matches_times(const ImageRecord& image) const {
  const base::Timestamp created = created_of(image);
  return std::ranges::all_of(created_before_, [&](base::Timestamp time) { return created < time; }) &&
         std::ranges::all_of(created_after_, [&](base::Timestamp time) { return created > time; }) &&
         std::ranges::all_of(added_before_, [&](base::Timestamp time) { return image.added_at < time; });
}

}  // namespace lighterd::api
