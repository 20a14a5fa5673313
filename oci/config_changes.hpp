// SPDX-License-Identifier: Apache-2.0
// The "changes" of an import: Dockerfile instructions that say how a container of the image runs. As dockerd's builder
// takes them, with its texts.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace lighterd::oci {

// The "config" member of an image config, made of nothing but the changes; an empty object without any. Each change may
// have several lines. kInvalidArgument: "<word> is not a valid change command", and whatever is wrong with an
// instruction.
nlohmann::json make_config(const std::vector<std::string>& changes);

}  // namespace lighterd::oci
