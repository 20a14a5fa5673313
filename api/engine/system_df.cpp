// SPDX-License-Identifier: Apache-2.0
// GET /system/df: engine-api.md section 7. Counted are the bytes of files: blobs, which images share, each once, and
// what has arrived of blobs that are being downloaded. What nothing needs, such as the remains of a download that broke
// off, is a part of LayersSize alone: images take nothing more when there are none.
#include <algorithm>
#include <array>
#include <utility>

#include "api/engine/endpoints.hpp"
#include "api/engine/image_json.hpp"
#include "api/engine/parameters.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;
using imagestore::ImageRecord;

struct ObjectType {
  std::string_view name;
  std::string_view legacy_key;
  std::string_view usage_key;
};
constexpr std::array<ObjectType, 4> kTypes = {{{"image", "Images", "ImageUsage"},
                                               {"container", "Containers", "ContainerUsage"},
                                               {"volume", "Volumes", "VolumeUsage"},
                                               {"build-cache", "BuildCache", "BuildCacheUsage"}}};

// One for each of kTypes.
using Selected = std::array<bool, kTypes.size()>;

Selected parse_types(const EngineCall& call) {
  const auto names = call.version.is_at_least(42) ? call.parameters.all("type") : std::vector<std::string>();
  Selected selected{};
  if (names.empty()) selected.fill(true);
  for (const std::string& name : names) {
    const auto found = std::ranges::find(kTypes, std::string_view(name), &ObjectType::name);
    if (found == kTypes.end())
      throw Error(ErrorCode::kInvalidArgument, "unknown object type: " + base::printable(name, 256));
    selected[static_cast<std::size_t>(found - kTypes.begin())] = true;
  }
  return selected;
}

struct ImageUsage {
  std::int64_t disk_bytes = 0;  // of the store
  std::int64_t count = 0;
  std::int64_t total_bytes = 0;
  std::int64_t reclaimable_bytes = 0;
  std::string items = "[]";
};

ImageUsage measure_images(EngineCall& call) {
  const auto images = call.services.images.list_images();
  auto shared = call.services.images.shared_bytes();
  const imagestore::StoreUsage store = call.services.content.measure_usage();
  ImageUsage usage{.disk_bytes = store.total_bytes(),
                   .count = static_cast<std::int64_t>(images.size()),
                   .total_bytes = images.empty() ? 0 : store.total_bytes() - store.unneeded_bytes(),
                   .reclaimable_bytes = 0,
                   .items = "["};
  for (const ImageRecord& image : images) {
    const std::int64_t shared_bytes = shared[image.target.digest];
    usage.reclaimable_bytes += image.content_bytes - shared_bytes;
    if (usage.items.size() > 1) usage.items += ',';
    append_list_item(usage.items, image, {.shared_bytes = shared_bytes, .manifests_json = {}, .is_disk_usage = true},
                     call.version);
  }
  usage.items += ']';
  return usage;
}

// The members of one object.
class Members {
 public:
  void add(std::string_view name, std::string_view json) {
    text_.append(text_.empty() ? "" : ",").append("\"").append(name).append("\":").append(json);
  }
  void add_unless_zero(std::string_view name, std::int64_t value) {
    if (value != 0) add(name, std::to_string(value));
  }
  std::string to_object() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

void add_legacy(Members& body, const Selected& selected, const ImageUsage& images, ApiVersion version) {
  body.add_unless_zero("LayersSize", images.disk_bytes);
  for (std::size_t i = 0; i < kTypes.size(); ++i)
    if (selected[i]) body.add(kTypes[i].legacy_key, i == 0 ? std::string_view(images.items) : "[]");
  if (version.is_before(42)) body.add("BuilderSize", "0");
}

enum class Detail { kSummary, kItems };

void add_usage(Members& body, const Selected& selected, const ImageUsage& images, Detail detail) {
  Members image_usage;
  if (detail == Detail::kItems && images.count > 0) image_usage.add("Items", images.items);
  image_usage.add_unless_zero("Reclaimable", images.reclaimable_bytes);
  image_usage.add_unless_zero("TotalCount", images.count);
  image_usage.add_unless_zero("TotalSize", images.total_bytes);
  for (std::size_t i = 0; i < kTypes.size(); ++i)
    if (selected[i]) body.add(kTypes[i].usage_key, i == 0 ? image_usage.to_object() : "{}");
}

}  // namespace

void system_df(EngineCall& call) {
  const Selected selected = parse_types(call);
  const ImageUsage images = selected[0] ? measure_images(call) : ImageUsage{};
  const bool has_usage = call.version.is_at_least(52);
  const Detail detail = has_usage && get_bool(call.parameters, "verbose") ? Detail::kItems : Detail::kSummary;
  Members body;
  if (detail == Detail::kSummary) add_legacy(body, selected, images, call.version);
  if (has_usage) add_usage(body, selected, images, detail);
  send_json(call, 200, body.to_object());
}

}  // namespace lighterd::api
