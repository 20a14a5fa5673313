// SPDX-License-Identifier: Apache-2.0
// What the registry works with. Everything referred to outlives the RegistryApi.
#pragma once

#include <string>
#include <vector>

#include "api/registry/repository_target.hpp"
#include "base/log.hpp"
#include "distribution/upstream_cache.hpp"
#include "imagestore/content_store.hpp"
#include "imagestore/registry_store.hpp"
#include "imagestore/upload_store.hpp"

namespace lighterd::api::registry {

struct RegistryPolicy {
  bool is_read_only = false;
  // Of manifests that may be pushed ("image", "plugin"); none: no manifest is asked for its class.
  std::vector<std::string> classes = {};
  std::vector<UpstreamPrefix> prefixes = {};
};

struct RegistryServices {
  imagestore::RegistryStore& registry;
  imagestore::ContentStore& content;
  imagestore::UploadStore& uploads;
  distribution::UpstreamCache& upstream;
  base::Logger& logger;
  RegistryPolicy policy;
};

}  // namespace lighterd::api::registry
