// SPDX-License-Identifier: Apache-2.0
#include "distribution/upload_retry.hpp"

#include "distribution/http_client.hpp"

namespace lighterd::distribution {

void UploadRetry::wait(const base::Error& error, const std::stop_token& stop) {
  loop_.wait_or_rethrow(TransportError(TransportFailure::kBroken, error.code(), error.text()), stop);
}

void UploadRetry::note_received(std::int64_t bytes) {
  if (bytes - counted_bytes_ < least_progress_bytes_) return;
  counted_bytes_ = bytes;
  loop_.note_progress();
}

}  // namespace lighterd::distribution
