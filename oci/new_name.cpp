// SPDX-License-Identifier: Apache-2.0
#include "oci/new_name.hpp"

#include "base/error.hpp"

namespace lighterd::oci {

bool reads_as_id(const Reference& name) {
  return name.repository().familiar() == "sha256";
}

void check_new_name(const Reference& name) {
  if (!reads_as_id(name)) return;
  throw base::Error(base::ErrorCode::kInvalidArgument,
                    "refusing to create an ambiguous tag using digest algorithm as name");
}

}  // namespace lighterd::oci
