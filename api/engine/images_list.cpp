// SPDX-License-Identifier: Apache-2.0
#include "api/engine/endpoints.hpp"
#include "api/engine/image_filter.hpp"
#include "api/engine/image_json.hpp"
#include "api/engine/manifest_summary.hpp"
#include "api/engine/parameters.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;
using imagestore::ImageRecord;

// `all` and `digests` change nothing: there are no intermediate images, and digests are always shown.
struct ListOptions {
  Filters filters;
  bool shared_size = false;
  bool manifests = false;
};

ListOptions parse_options(const EngineCall& call) {
  ListOptions options{.filters = Filters::parse(get_text(call.parameters, "filters"))};
  options.shared_size = call.version.is_at_least(42) && get_bool(call.parameters, "shared-size");
  options.manifests = call.version.is_at_least(47) && get_bool(call.parameters, "manifests");
  const bool identity = call.version.is_at_least(54) && get_bool(call.parameters, "identity");
  if (identity && !options.manifests)
    throw Error(ErrorCode::kInvalidArgument, "conflicting options: identity requires manifests=1");
  const std::string pattern = get_text(call.parameters, "filter");
  if (call.version.is_before(25) && !pattern.empty() && !options.filters.has("reference"))
    options.filters.add("reference", pattern);
  return options;
}

// Nothing for an image that was removed after it was listed.
std::optional<std::string> find_manifests(const EngineServices& services, const ImageRecord& image) {
  try {
    return manifest_summaries_json(services.content, services.images, image);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound) return std::nullopt;
    throw;
  }
}

}  // namespace

void images_list(EngineCall& call) {
  const ListOptions options = parse_options(call);
  const ImageFilter filter(options.filters, call.services.images, base::now());
  auto images = call.services.images.list_images();
  std::map<oci::Digest, std::int64_t> shared;
  if (options.shared_size) shared = shared_sizes(call.services.content, call.services.images, images);

  std::string body = "[";
  for (ImageRecord& image : images) {
    if (!filter.accepts(image)) continue;
    ListItemExtras extras;
    if (options.shared_size) extras.shared_bytes = shared.at(image.target.digest);
    if (options.manifests) {
      auto manifests = find_manifests(call.services, image);
      if (!manifests) continue;
      extras.manifests_json = *std::move(manifests);
    }
    if (body.size() > 1) body += ',';
    append_list_item(body, image, extras, call.version);
  }
  body += ']';
  send_json(call, 200, std::move(body));
}

}  // namespace lighterd::api
