// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <vector>

#include "api/engine/archive_platforms.hpp"
#include "api/engine/endpoints.hpp"
#include "api/engine/image_events.hpp"
#include "api/engine/json_message_stream.hpp"
#include "api/engine/parameters.hpp"
#include "base/error.hpp"
#include "imagestore/image_loader.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;

// Progress is wanted only if it is asked for, whatever Docker's documentation says (trap 7).
bool is_quiet(const EngineCall& call) {
  const std::string* quiet = call.parameters.find("quiet");
  return quiet == nullptr || parse_bool(*quiet);
}

imagestore::MemberListener report_to(JsonMessageStream& stream) {
  return [&stream](const imagestore::MemberProgress& member) {
    stream.offer_progress({.kind = distribution::ProgressEvent::Kind::kProgress,
                           .id = member.id,
                           .status = "Loading layer",
                           .current_bytes = member.current_bytes,
                           .total_bytes = member.total_bytes,
                           .aux_json = {}});
  };
}

void tell(const imagestore::LoadedImage& image, JsonMessageStream& stream) {
  if (!image.name) return stream.write_text("Loaded image ID: " + image.id.to_string() + "\n");
  if (image.replaced)
    stream.write_text("The image " + image.name->familiar() + " already exists, renaming the old one with ID " +
                      image.replaced->to_string() + " to empty string\n");
  stream.write_text("Loaded image: " + image.name->familiar() + "\n");
}

// Client libraries that send the whole body before they read would only see a connection that breaks.
void drop_rest(base::Source& body) noexcept {
  constexpr std::size_t kMaxDroppedBytes = std::size_t{256} * 1024 * 1024;
  std::array<std::byte, std::size_t{64} * 1024> scratch;
  std::size_t dropped = 0;
  try {
    while (dropped < kMaxDroppedBytes) {
      const std::size_t count = body.read(scratch);
      if (count == 0) return;
      dropped += count;
    }
  } catch (const std::exception&) {  // the client is gone: nobody waits for anything
  }
}

void load(EngineCall& call, const imagestore::LoadOptions& options, JsonMessageStream& stream) {
  imagestore::ImageLoader loader(call.services.content, call.services.images);
  const auto images = loader.load(*call.request.body, options, call.request.stop);
  std::vector<oci::Digest> ids;
  for (const auto& image : images) ids.push_back(image.id);
  add_image_events(call, "load", ids);  // first: the client may be gone
  for (const auto& image : images) {
    if (call.subject.empty()) call.subject = image.name ? image.name->familiar() : image.id.to_string();
    tell(image, stream);
  }
}

}  // namespace

// The body is an archive whatever its Content-Type says (trap 31), and what is wrong with it is told in the stream,
// even as its first record (trap 3).
void images_load(EngineCall& call) {
  imagestore::LoadOptions options{.platforms = list_archive_platforms(call), .on_progress = {}};
  JsonMessageStream stream(call.response);
  if (!is_quiet(call)) options.on_progress = report_to(stream);
  try {
    load(call, options, stream);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled || !call.request.stop.stop_requested()) {
      stream.fail(error.text());
      drop_rest(*call.request.body);
    }
    throw;
  } catch (const std::exception& error) {
    stream.fail(error.what());
    drop_rest(*call.request.body);
    throw;
  }
  stream.finish();
}

}  // namespace lighterd::api
