// SPDX-License-Identifier: Apache-2.0
// The Engine API on a real store and a real registry client, asked without a server.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "api/engine/engine_routes.hpp"
#include "distribution/curl_http_client.hpp"
#include "tests/support/test_store.hpp"
#include "tests/unit/api/engine/fake_exchange.hpp"

namespace lighterd::tests {

using Json = nlohmann::json;

struct Call {
  std::string method = "GET";
  std::string target;  // with query; the path is percent-decoded as the server does it
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
};

inline constexpr std::string_view kLayerType = "application/vnd.oci.image.layer.v1.tar";

// An image whose config is `config` with a rootfs of the layers.
TestImage make_image_of(Json config, const std::vector<std::string>& layers);

inline oci::Platform linux_on(const std::string& architecture, const std::string& variant = {}) {
  return {.architecture = architecture, .os = "linux", .os_version = {}, .os_features = {}, .variant = variant};
}

class EngineTest : public ::testing::Test {
 protected:
  EngineTest();

  FakeResponse ask(const Call& call, std::stop_token stop = {});
  FakeResponse get(const std::string& target) { return ask({.target = target}); }
  Json get_json(const std::string& target);
  static std::string message_of(const FakeResponse& response);

  TestStore store_;
  base::Logger logger_{base::LogLevel::kError};
  oci::Platform host_ = linux_on("amd64");
  distribution::RegistryOptions registries_;
  distribution::TransferQueue downloads_{3};
  distribution::TransferQueue uploads_{5};
  distribution::DistributionServices services_;
  distribution::Puller puller_{services_};
  distribution::Pusher pusher_{services_};
  distribution::RemoteInspector remote_{services_};
  distribution::PullPlanner planner_{services_};
  distribution::LoginChecker logins_{services_};
  distribution::SearchClient searches_{services_, "http://127.0.0.1:1/v1/"};
  distribution::RemoteFileOptions remote_files_;
  api::EventLog events_;
  api::EngineApi api_;
};

}  // namespace lighterd::tests
