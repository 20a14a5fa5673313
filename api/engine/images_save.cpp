// SPDX-License-Identifier: Apache-2.0
#include "api/engine/archive_platforms.hpp"
#include "api/engine/endpoints.hpp"
#include "api/engine/image_events.hpp"
#include "api/engine/parameters.hpp"
#include "imagestore/image_exporter.hpp"

namespace lighterd::api {
namespace {

// Once the archive has begun, an error can only break it off: the stream goes without an end.
void save(EngineCall& call, std::vector<std::string> names) {
  for (const std::string& name : names) call.subject += (call.subject.empty() ? "" : " ") + name;
  const imagestore::ExportRequest request{.names = std::move(names), .platforms = list_archive_platforms(call)};
  const imagestore::ExportPlan plan =
      imagestore::make_export_plan(call.services.content, call.services.images, request);
  const auto stream = call.response.start_stream(200, "application/x-tar");
  imagestore::write_archive(plan, call.services.content, *stream, call.request.stop);
  add_image_events(call, "save", plan.images);
  stream->finish();
}

}  // namespace

void images_save(EngineCall& call) {
  save(call, call.parameters.all("names"));
}

void images_save_one(EngineCall& call) {
  save(call, {call.name()});
}

}  // namespace lighterd::api
