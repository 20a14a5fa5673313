// SPDX-License-Identifier: Apache-2.0
// Request bodies from memory, and the counting of what is sent.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "distribution/http_client.hpp"

namespace lighterd::distribution {

// Every opened source shares the bytes.
RequestBody make_body(std::string content_type, std::string bytes);

// The same body; on_sent is called with the bytes read so far of the source opened last, in the sending thread.
RequestBody count_sent(RequestBody body, std::function<void(std::int64_t)> on_sent);

}  // namespace lighterd::distribution
