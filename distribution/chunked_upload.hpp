// SPDX-License-Identifier: Apache-2.0
// A large blob in chunks. What breaks off goes on where the registry says that it has it, so that a fault costs one
// chunk at most; a registry that does not take chunks, or cannot go on, is found out and said.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>

#include "base/error.hpp"
#include "distribution/upload_retry.hpp"
#include "distribution/upload_session.hpp"

namespace lighterd::distribution {

// The session is of no use any more: all of the blob has to be sent anew.
class UploadLost : public base::Error {
 public:
  enum class Session { kGone, kLeft };  // whether the registry holds it still
  UploadLost(const std::string& why, Session session)
      : base::Error(base::ErrorCode::kUnavailable, why), session_(session) {}
  Session session() const noexcept { return session_; }

 private:
  Session session_;
};

struct ChunkedBlob {
  const oci::Digest& digest;
  const UploadContent& content;
  std::int64_t chunk_bytes;
  // How much is at the registry or on its way; never less than before.
  std::function<void(std::int64_t bytes)> on_sent;
  // Whether the registry has the blob: a commit may have worked although its answer was lost.
  std::function<bool()> is_there;
};

// Not thread-safe; what it refers to must outlive it.
class ChunkedUpload {
 public:
  ChunkedUpload(UploadSession& session, ChunkedBlob blob, UploadRetry& retry)
      : session_(session), blob_(std::move(blob)), retry_(retry) {}

  // Blocks until the blob is there. False: the registry takes no chunks. Throws UploadLost, also where it takes them no
  // longer, what failed last, kCancelled.
  bool run(const std::stop_token& stop);

 private:
  bool send_all(const std::stop_token& stop);
  void send_next(const std::stop_token& stop);
  void ask(const std::stop_token& stop);
  bool commit(const std::stop_token& stop);
  void report(std::int64_t bytes);

  UploadSession& session_;
  const ChunkedBlob blob_;
  UploadRetry& retry_;
  std::int64_t received_bytes_ = 0;  // what the registry has
  std::int64_t sent_bytes_ = 0;      // where the chunk that was sent last ended
  std::int64_t reported_bytes_ = 0;
  bool has_failed_ = false;     // since the registry said what it has
  bool was_misplaced_ = false;  // the chunk before, where the registry itself had asked for it
};

}  // namespace lighterd::distribution
