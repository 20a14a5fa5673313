// SPDX-License-Identifier: Apache-2.0
// Image configs: what list, inspect and history show of them. The runtime part is kept as the JSON that it is.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "oci/digest.hpp"
#include "oci/platform.hpp"

namespace lighterd::oci {

struct HistoryEntry {
  std::optional<base::Timestamp> created;
  std::string created_by;
  std::string author;
  std::string comment;
  bool empty_layer = false;
};

struct ImageConfig {
  Platform platform;
  std::optional<base::Timestamp> created;
  std::string author;
  std::string comment;
  std::string docker_version;
  std::string container;
  std::vector<DiffID> diff_ids;
  std::vector<HistoryEntry> history;  // oldest first
  std::map<std::string, std::string> labels;
  std::string runtime_json;           // the "config" member as text, "{}" if missing
  std::string container_config_json;  // "container_config", empty if missing
};

// kInvalidArgument: bad JSON, no rootfs or diff_ids, rootfs.type not "layers", more than kMaxLayers diff IDs, more
// than 10,000 history entries, more history entries with a layer than diff IDs (a history may be missing).
// An `id` or `parent` member is ignored: IDs are computed from bytes (CVE-2014-9358).
ImageConfig parse_image_config(std::string_view bytes);

// Of what stood for an image, and for each of its layers, before there were configs with a rootfs: without diff IDs and
// history. kInvalidArgument for bad JSON and members of wrong types.
ImageConfig parse_v1_image(std::string_view bytes);

}  // namespace lighterd::oci
