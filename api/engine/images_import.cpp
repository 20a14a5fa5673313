// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/engine/endpoints.hpp"
#include "api/engine/image_events.hpp"
#include "api/engine/json_message_stream.hpp"
#include "api/engine/parameters.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "distribution/remote_file.hpp"
#include "imagestore/image_importer.hpp"
#include "oci/config_changes.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;
using distribution::ProgressEvent;

constexpr std::string_view kBody = "-";

// A file system is not bound to the level of the processor that imports it; of ARM the variant is another instruction
// set.
oci::Platform host_platform(const EngineCall& call) {
  oci::Platform platform = call.services.host;
  if (!platform.architecture.starts_with("arm")) platform.variant.clear();
  return platform;
}

oci::Platform parse_import_platform(const EngineCall& call) {
  const std::string text = get_text(call.parameters, "platform");
  if (text.empty() || call.version.is_before(32)) return host_platform(call);
  return oci::normalize(oci::parse_platform(text, host_platform(call)));
}

imagestore::ImportRequest parse_request(const EngineCall& call, const std::string& source) {
  imagestore::ImportRequest request{.name = find_new_name(call.parameters), .platform = parse_import_platform(call)};
  request.config_json = base::to_text(oci::make_config(call.parameters.all("changes")));
  request.comment = get_text(call.parameters, "message");
  if (request.comment.empty())
    request.comment = "Imported from " + (source == kBody ? source : distribution::redact_url(source));
  return request;
}

// Reports what passes, at most every 100 ms, and the last of it.
class ReportingSource final : public base::Source {
 public:
  ReportingSource(distribution::RemoteFile& file, JsonMessageStream& stream) : file_(file), stream_(stream) {}

  std::size_t read(std::span<std::byte> buffer) override {
    const std::size_t count = file_.read(buffer);
    bytes_ += static_cast<std::int64_t>(count);
    const auto now = std::chrono::steady_clock::now();
    if (count == 0 ? reported_bytes_ < bytes_ : now >= next_) report(now);
    return count;
  }

 private:
  void report(std::chrono::steady_clock::time_point now) {
    next_ = now + std::chrono::milliseconds(100);
    reported_bytes_ = bytes_;
    stream_.on_progress({.kind = ProgressEvent::Kind::kProgress,
                         .id = {},
                         .status = "Importing",
                         .current_bytes = bytes_,
                         .total_bytes = file_.size_bytes().value_or(0),
                         .aux_json = {}});
  }

  distribution::RemoteFile& file_;
  JsonMessageStream& stream_;
  std::int64_t bytes_ = 0;
  std::int64_t reported_bytes_ = 0;
  std::chrono::steady_clock::time_point next_;
};

void tell(JsonMessageStream& stream, std::string status) {
  stream.on_progress({.kind = ProgressEvent::Kind::kMessage, .id = {}, .status = std::move(status), .aux_json = {}});
}

oci::Digest import_url(EngineCall& call, const std::string& source, const imagestore::ImportRequest& request,
                       JsonMessageStream& stream) {
  const distribution::Url url = distribution::parse_file_url(source);
  distribution::RemoteFile file(call.services.http, url, call.services.remote_files,
                                make_operation_context(call).user_agent, call.request.stop);
  tell(stream, "Downloading from " + distribution::redact_url(url.to_string()));
  ReportingSource reporting(file, stream);
  const oci::Digest id =
      imagestore::import_image(call.services.content, call.services.images, reporting, request, call.request.stop);
  tell(stream, {});  // an empty record ends the progress
  return id;
}

}  // namespace

// The body is a file system whatever its Content-Type says (trap 31). As long as nothing was reported an error is a
// status.
void images_import(EngineCall& call) {
  const std::string source = get_text(call.parameters, "fromSrc");
  if (source.empty()) throw Error(ErrorCode::kInvalidArgument, "either fromImage or fromSrc must be given");
  const imagestore::ImportRequest request = parse_request(call, source);
  call.subject = request.name ? request.name->familiar() : source == kBody ? "" : distribution::redact_url(source);
  const auto work = [&](JsonMessageStream& stream) {
    const oci::Digest id = source == kBody ? imagestore::import_image(call.services.content, call.services.images,
                                                                      *call.request.body, request, call.request.stop)
                                           : import_url(call, source, request, stream);
    if (request.name) add_name_event(call, "tag", id, *request.name);
    add_image_events(call, "import", {id});
    tell(stream, id.to_string());
  };
  if (source != kBody) drop_body(call);
  run_with_records(call, work);
}

}  // namespace lighterd::api
