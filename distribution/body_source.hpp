// SPDX-License-Identifier: Apache-2.0
// Request bodies from memory and from files, and the counting of what is sent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/file.hpp"
#include "distribution/http_client.hpp"
#include "distribution/upload.hpp"

namespace lighterd::distribution {

// Every opened source shares the bytes.
RequestBody make_body(std::string content_type, std::string bytes);

// A file's bytes; every part that is open shares the descriptor.
UploadContent make_file_content(base::UniqueFd fd, std::filesystem::path path_for_errors, std::int64_t size_bytes);
UploadContent make_text_content(std::string bytes);

// The same body; on_sent is called with the bytes read so far of the source opened last, in the sending thread.
RequestBody count_sent(RequestBody body, std::function<void(std::int64_t)> on_sent);

}  // namespace lighterd::distribution
