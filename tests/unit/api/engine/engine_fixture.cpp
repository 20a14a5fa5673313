// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/api/engine/engine_fixture.hpp"

#include "base/encoding.hpp"

namespace lighterd::tests {
namespace {

distribution::HttpClient& http_client() {
  static distribution::CurlHttpClient client;  // once per process
  return client;
}

}  // namespace

TestImage make_image_of(Json config, const std::vector<std::string>& layers) {
  Json manifest = {{"schemaVersion", 2}, {"mediaType", oci::media_type::kOciManifest}, {"layers", Json::array()}};
  config["rootfs"] = {{"type", "layers"}, {"diff_ids", Json::array()}};
  TestImage image{.manifest = descriptor_of("", ""),
                  .manifest_bytes = {},
                  .config = descriptor_of("", ""),
                  .config_bytes = {},
                  .layers = {}};
  for (const std::string& bytes : layers) {
    const auto layer = descriptor_of(kLayerType, bytes);
    config["rootfs"]["diff_ids"].push_back(layer.digest.to_string());
    manifest["layers"].push_back(oci::to_json(layer));
    image.layers.emplace_back(layer, bytes);
  }
  image.config_bytes = config.dump();
  image.config = descriptor_of(oci::media_type::kOciConfig, image.config_bytes);
  manifest["config"] = oci::to_json(image.config);
  image.manifest_bytes = manifest.dump();
  image.manifest = descriptor_of(oci::media_type::kOciManifest, image.manifest_bytes);
  return image;
}

EngineTest::EngineTest()
    : services_{.http = http_client(),
                .registries = registries_,
                .content = store_.content(),
                .images = store_.images(),
                .downloads = downloads_,
                .uploads = uploads_,
                .host = host_,
                .logger = logger_},
      api_({.images = store_.images(),
            .content = store_.content(),
            .puller = puller_,
            .pusher = pusher_,
            .remote = remote_,
            .planner = planner_,
            .logins = logins_,
            .searches = searches_,
            .http = http_client(),
            .remote_files = remote_files_,
            .events = events_,
            .host = host_,
            .logger = logger_,
            .info = {.version = "1.2.3",
                     .git_commit = "abcdef",
                     .build_time = "2025-01-02T03:04:05Z",
                     .data_root = "/data",
                     .daemon_id = "the-id",
                     .registries = {.insecure_registries = {"reg:5000", "10.0.0.0/8"}, .mirrors = {"https://m"}},
                     .debug = true,
                     .http_proxy = "http://proxy",
                     .https_proxy = {},
                     .no_proxy = {},
                     .warnings = {}}}) {}

FakeResponse EngineTest::ask(const Call& call, std::stop_token stop) {
  api::Request request;
  request.method = call.method;
  const std::size_t question = std::min(call.target.find('?'), call.target.size());
  request.path = base::percent_decode(call.target.substr(0, question), base::PlusSign::kLiteral).value();
  if (question < call.target.size()) request.query = api::Parameters::parse(call.target.substr(question + 1));
  for (const auto& [name, value] : call.headers) request.headers.add(name, value);
  TextSource body(call.body);
  request.body = &body;
  request.stop = std::move(stop);
  FakeResponse response;
  try {
    api_.dispatch(request).handler(request, response);
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kCancelled) << error.text();
    EXPECT_TRUE(request.stop.stop_requested());
  }
  return response;
}

Json EngineTest::get_json(const std::string& target) {
  const FakeResponse response = get(target);
  EXPECT_EQ(response.status, 200) << target << ": " << response.body;
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_TRUE(response.body.ends_with("\n"));
  return Json::parse(response.body);
}

std::string EngineTest::message_of(const FakeResponse& response) {
  EXPECT_EQ(response.content_type, "application/json");
  const Json body = Json::parse(response.body, nullptr, false);
  if (!body.is_object() || !body.contains("message") || body.size() != 1) return "no error body: " + response.body;
  return body["message"];
}

}  // namespace lighterd::tests
