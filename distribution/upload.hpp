// SPDX-License-Identifier: Apache-2.0
// What is uploaded, by which rules, and what is told about it on the way.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/stream.hpp"
#include "distribution/retry.hpp"

namespace lighterd::distribution {

// Bytes that can be read again from anywhere: what broke off is sent again from where the registry has it.
struct UploadContent {
  std::int64_t size_bytes = 0;
  // The `length_bytes` bytes from `offset_bytes` on. What it returns needs nothing of this object.
  std::function<std::unique_ptr<base::Source>(std::int64_t offset_bytes, std::int64_t length_bytes)> open;
};

struct UploadOptions {
  // What is smaller goes in one request, what is not in chunks, where the registry takes them.
  std::int64_t chunked_from_bytes = std::int64_t{32} << 20;
  std::int64_t chunk_bytes = std::int64_t{16} << 20;
};

// Called in the uploading thread; either may be empty.
struct UploadWatcher {
  // How much of it is at the registry or on its way there. Less than before only where all of it is sent anew.
  std::function<void(std::int64_t bytes)> on_sent;
  RetryListener on_retry;
};

struct UploadResult {
  enum class Kind { kUploaded, kMounted, kExisted } kind;
  std::string mounted_from;  // repository path
};

}  // namespace lighterd::distribution
