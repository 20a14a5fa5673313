// SPDX-License-Identifier: Apache-2.0
// Which names an image may be given: not each that can be written may come to stand beside IDs.
#pragma once

#include "oci/reference.hpp"

namespace lighterd::oci {

// Whether the name could as well be the beginning of an ID: "sha256:abcd" (security-reliability A.1/12).
bool reads_as_id(const Reference& name);

// kInvalidArgument with Docker's text if it does.
void check_new_name(const Reference& name);

}  // namespace lighterd::oci
