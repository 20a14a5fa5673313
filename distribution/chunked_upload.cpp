// SPDX-License-Identifier: Apache-2.0
#include "distribution/chunked_upload.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "distribution/body_source.hpp"
#include "distribution/registry_error.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;

// What registries without PATCH, or without Content-Range, answer to the first one.
bool refuses_chunks(int status) {
  static constexpr std::array kStatuses = {400, 404, 405, 411, 415, 416, 501};
  return std::find(kStatuses.begin(), kStatuses.end(), status) != kStatuses.end();
}

bool is_gone(int status) {
  return status == 404 || status == 410;
}

UploadLost lost(const RegistryError& error) {
  return {error.text(), is_gone(error.status()) ? UploadLost::Session::kGone : UploadLost::Session::kLeft};
}

}  // namespace

void ChunkedUpload::report(std::int64_t bytes) {
  if (bytes <= reported_bytes_) return;
  reported_bytes_ = bytes;
  if (blob_.on_sent) blob_.on_sent(bytes);
}

bool ChunkedUpload::run(const std::stop_token& stop) {
  for (;;) {
    if (!send_all(stop)) return false;
    if (commit(stop)) return true;
  }
}

bool ChunkedUpload::send_all(const std::stop_token& stop) {
  while (has_failed_ || received_bytes_ < blob_.content.size_bytes) {
    try {
      if (has_failed_) {
        ask(stop);
      } else {
        send_next(stop);
      }
    } catch (const UploadLost&) {
      throw;
    } catch (const RegistryError& error) {
      if (received_bytes_ == 0 && refuses_chunks(error.status())) return false;
      const bool is_misplaced = error.status() == 416;
      if (is_gone(error.status()) || (refuses_chunks(error.status()) && !is_misplaced)) throw lost(error);
      // Bytes that the registry has already, or a gap: it knows where to go on.
      if (is_misplaced && std::exchange(was_misplaced_, true)) throw lost(error);
      has_failed_ = true;
      is_misplaced ? retry_.wait(error, stop) : retry_.wait_or_rethrow(error, stop);
    } catch (const Error& error) {
      has_failed_ = true;
      retry_.wait_or_rethrow(error, stop);
    }
  }
  return true;
}

void ChunkedUpload::send_next(const std::stop_token& stop) {
  const std::int64_t begin = received_bytes_;
  const std::int64_t length = std::min(blob_.chunk_bytes, blob_.content.size_bytes - begin);
  sent_bytes_ = begin + length;
  const RequestBody chunk{.content_type = "application/octet-stream",
                          .length_bytes = length,
                          .open = [this, begin, length] { return blob_.content.open(begin, length); }};
  const auto received =
      session_.send_chunk(begin, count_sent(chunk, [this, begin](std::int64_t sent) { report(begin + sent); }), stop);
  // It may take less than it was given; whatever else a range says of accepted bytes is a mistake.
  const bool is_part = received && *received > begin && *received < sent_bytes_;
  received_bytes_ = is_part ? *received : sent_bytes_;
  was_misplaced_ = false;
  retry_.note_received(received_bytes_);
}

void ChunkedUpload::ask(const std::stop_token& stop) {
  std::optional<std::int64_t> received;
  try {
    received = session_.get_received(stop);
  } catch (const RegistryError& error) {
    // There is nothing to go on from where the registry does not say what it has.
    if (error.status() < 500 && error.status() != 408 && error.status() != 429) throw lost(error);
    throw;
  }
  if (received && *received > sent_bytes_) {
    throw UploadLost("the registry has more of the upload than was sent", UploadLost::Session::kLeft);
  }
  received_bytes_ = received.value_or(received_bytes_);
  has_failed_ = false;
  retry_.note_received(received_bytes_);
}

// False: something has to be sent again first.
bool ChunkedUpload::commit(const std::stop_token& stop) {
  const RequestBody nothing = make_body("application/octet-stream", {});
  try {
    if (session_.commit(blob_.digest, blob_.content.size_bytes, nothing, stop) || blob_.is_there()) return true;
    throw UploadLost("the registry took the upload and does not have the blob", UploadLost::Session::kLeft);
  } catch (const UploadLost&) {
    throw;
  } catch (const RegistryError& error) {
    if (is_gone(error.status())) {
      if (blob_.is_there()) return true;
      throw lost(error);
    }
    // Bytes of a request that broke off may have come after the answer to where to go on, or the chunks were taken and
    // not put together.
    if (refuses_chunks(error.status()) && error.status() != 416) throw lost(error);
    has_failed_ = true;
    error.status() == 416 ? retry_.wait(error, stop) : retry_.wait_or_rethrow(error, stop);
  } catch (const Error& error) {
    has_failed_ = true;
    retry_.wait_or_rethrow(error, stop);
  }
  return retry_.run(blob_.is_there, stop);
}

}  // namespace lighterd::distribution
