// SPDX-License-Identifier: Apache-2.0
// What the Engine API works with. Everything referred to outlives the EngineApi.
#pragma once

#include <string>
#include <vector>

#include "api/engine/event_log.hpp"
#include "base/log.hpp"
#include "distribution/login.hpp"
#include "distribution/pull_plan.hpp"
#include "distribution/puller.hpp"
#include "distribution/pusher.hpp"
#include "distribution/remote_file.hpp"
#include "distribution/remote_inspector.hpp"
#include "distribution/search_client.hpp"
#include "imagestore/content_store.hpp"
#include "imagestore/image_store.hpp"
#include "oci/platform.hpp"

namespace lighterd::api {

// What /version and /info tell of the daemon itself.
struct EngineInfo {
  std::string version;  // "0.1.0"
  std::string git_commit;
  std::string build_time;  // RFC 3339
  std::string data_root;
  std::string daemon_id;  // the same for one data root, always
  distribution::RegistryOptions registries;
  bool debug = false;
  // Without credentials.
  std::string http_proxy;
  std::string https_proxy;
  std::string no_proxy;
  std::vector<std::string> warnings;  // for who asks for /info
};

struct EngineServices {
  imagestore::ImageStore& images;
  imagestore::ContentStore& content;
  distribution::Puller& puller;
  distribution::Pusher& pusher;
  distribution::RemoteInspector& remote;
  distribution::PullPlanner& planner;
  distribution::LoginChecker& logins;
  distribution::SearchClient& searches;
  distribution::HttpClient& http;
  const distribution::RemoteFileOptions& remote_files;
  EventLog& events;
  const oci::Platform& host;
  base::Logger& logger;
  EngineInfo info;
};

}  // namespace lighterd::api
