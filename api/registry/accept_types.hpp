// SPDX-License-Identifier: Apache-2.0
// Which kinds of manifest a client says that it understands (registry-protocol.md B2).
#pragma once

#include <string_view>

#include "api/http/request.hpp"

namespace lighterd::api::registry {

struct AcceptTypes {
  bool schema2 = false;
  bool docker_list = false;
  bool oci_manifest = false;
  bool oci_index = false;

  bool takes(std::string_view media_type) const;
};

// All lines of Accept, split at commas; parameters and q are ignored. Without any, and with "*/*" or "application/*",
// everything is taken.
AcceptTypes parse_accept(const Headers& headers);

}  // namespace lighterd::api::registry
