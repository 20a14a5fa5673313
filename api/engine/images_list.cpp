// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "api/engine/endpoints.hpp"
#include "api/engine/http_error.hpp"
#include "api/engine/image_filter.hpp"
#include "api/engine/image_identity.hpp"
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
  bool identity = false;
};

ListOptions parse_options(const EngineCall& call) {
  ListOptions options{.filters = Filters::parse(get_text(call.parameters, "filters"))};
  options.shared_size = call.version.is_at_least(42) && get_bool(call.parameters, "shared-size");
  options.manifests = call.version.is_at_least(47) && get_bool(call.parameters, "manifests");
  options.identity = call.version.is_at_least(54) && get_bool(call.parameters, "identity");
  if (options.identity && !options.manifests)
    throw Error(ErrorCode::kInvalidArgument, "conflicting options: identity requires manifests=1");
  const std::string pattern = get_text(call.parameters, "filter");
  if (call.version.is_before(25) && !pattern.empty() && !options.filters.has("reference"))
    options.filters.add("reference", pattern);
  return options;
}

using Shared = std::map<oci::Digest, std::int64_t>;

// The items of one list, with what is read for some hundred of them at once.
class ListBody {
 public:
  ListBody(EngineCall& call, const ListOptions& options) : call_(call), options_(options) {}

  void send(const std::vector<ImageRecord>& images) {
    constexpr std::size_t kBatch = 256;
    if (options_.shared_size) shared_ = shared_sizes(call_.services.images, images);
    for (std::size_t from = 0; from < images.size(); from += kBatch)
      write_batch(std::span(images).subspan(from, std::min(kBatch, images.size() - from)));
    body_ += ']';
    if (!stream_) return send_json(call_, 200, std::move(body_));
    body_ += '\n';
    stream_->write(base::as_bytes(body_));
    stream_->finish();
  }

 private:
  void write_batch(std::span<const ImageRecord> images) {
    std::vector<std::vector<imagestore::ManifestEntry>> entries;
    if (options_.manifests) {
      std::vector<oci::Digest> digests;
      for (const ImageRecord& image : images) digests.push_back(image.target.digest);
      entries = call_.services.images.list_entries(digests);
    }
    for (std::size_t i = 0; i < images.size(); ++i) {
      ListItemExtras extras;
      if (options_.shared_size) extras.shared_bytes = shared_.at(images[i].target.digest);
      if (options_.manifests) write_manifests(extras.manifests_json, images[i], entries[i]);
      if (!std::exchange(is_first_, false)) body_ += ',';
      append_list_item(body_, images[i], extras, call_.version);
      if (body_.size() >= kPieceBytes) flush();
    }
  }

  // A long list is sent as it is made.
  void flush() {
    if (!stream_) stream_ = call_.response.start_stream(200, kJsonContentType);
    stream_->write(base::as_bytes(body_));
    body_.clear();
  }

  void write_manifests(std::string& out, const ImageRecord& image,
                       const std::vector<imagestore::ManifestEntry>& entries) const {
    FindIdentity find_identity;
    if (options_.identity)
      find_identity = [&](const oci::Digest& manifest) {
        return identity_json(call_.services.content, image, manifest);
      };
    append_manifest_summaries(out, entries, find_identity);
  }

  static constexpr std::size_t kPieceBytes = std::size_t{64} * 1024;
  EngineCall& call_;
  const ListOptions& options_;
  Shared shared_;
  std::string body_ = "[";
  bool is_first_ = true;
  std::unique_ptr<ResponseStream> stream_;
};

}  // namespace

void images_list(EngineCall& call) {
  const ListOptions options = parse_options(call);
  const ImageFilter filter(options.filters, call.services.images, base::now());
  auto images = call.services.images.list_images();
  std::erase_if(images, [&](ImageRecord& image) { return !filter.accepts(image); });
  ListBody(call, options).send(images);
}

}  // namespace lighterd::api
