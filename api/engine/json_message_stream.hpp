// SPDX-License-Identifier: Apache-2.0
// The progress of create and push as Docker clients read it: one JSON object and CRLF a chunk, flushed at once
// (engine-api.md section 2.1). The 200 is sent with the first record, so that an error before it is an HTTP status.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "api/http/response.hpp"
#include "distribution/progress.hpp"

namespace lighterd::api {

// Thread-safe. A record that cannot be sent is remembered and ends the sending; the operation learns of a client that
// is gone by its stop token.
class JsonMessageStream final : public distribution::ProgressSink {
 public:
  explicit JsonMessageStream(Response& response) : response_(response) {}

  void on_progress(const distribution::ProgressEvent& event) noexcept override;
  // Left out while the client does not read: for an operation that is still reading the request.
  void offer_progress(const distribution::ProgressEvent& event) noexcept;
  // A record of text as load and build have it; with its line feed.
  void write_text(std::string_view text) noexcept;

  // The error record, which is the last one; ends the stream.
  void fail(std::string_view message) noexcept;
  // Ends the stream as whole; without any record before it is an empty one. Does nothing after a failed write, so
  // that the client sees a cut connection.
  void finish() noexcept;

  bool has_started() const { return started_.load(std::memory_order_acquire); }

 private:
  void write_record(std::string_view record);
  void open();
  template <typename F>
  void guarded(F action) noexcept;

  Response& response_;
  std::atomic<bool> started_ = false;
  std::mutex mutex_;  // held while writing: records must not mix
  std::unique_ptr<ResponseStream> stream_;
  bool ended_ = false;
};

// The record of an event, with its CRLF.
std::string progress_record(const distribution::ProgressEvent& event);
std::string text_record(std::string_view text);
std::string error_record(std::string_view message);

}  // namespace lighterd::api
