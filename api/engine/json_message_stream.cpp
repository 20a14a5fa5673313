// SPDX-License-Identifier: Apache-2.0
#include "api/engine/json_message_stream.hpp"

#include "api/engine/http_error.hpp"
#include "api/engine/json_text.hpp"

namespace lighterd::api {

using distribution::ProgressEvent;

namespace {

// Members with a comma between them.
class Record {
 public:
  void add(std::string_view name, std::string_view json) {
    if (text_.size() > 1) text_ += ',';
    text_.append(1, '"').append(name).append("\":").append(json);
  }
  void add_string(std::string_view name, std::string_view value) {
    if (!value.empty()) add(name, json_string(value));
  }
  void add_count(std::string_view name, std::int64_t value) {
    if (value != 0) add(name, std::to_string(value));
  }
  std::string take() { return std::move(text_) + "}"; }

 private:
  std::string text_ = "{";
};

std::string progress_detail(const ProgressEvent& event) {
  Record detail;
  detail.add_count("current", event.current_bytes);
  detail.add_count("total", event.total_bytes);
  if (event.hides_counts) detail.add("hidecounts", "true");
  return detail.take();
}

}  // namespace

std::string progress_record(const ProgressEvent& event) {
  Record record;
  record.add_string("status", event.status);
  if (event.kind != ProgressEvent::Kind::kMessage) record.add("progressDetail", progress_detail(event));
  record.add_string("id", event.id);
  if (event.kind == ProgressEvent::Kind::kAux && !event.aux_json.empty()) record.add("aux", event.aux_json);
  return record.take() + "\r\n";
}

std::string text_record(std::string_view text) {
  Record record;
  record.add_string("stream", text);
  return record.take() + "\r\n";
}

std::string error_record(std::string_view message) {
  Record detail;
  detail.add("message", json_string(message));
  Record record;
  record.add("error", json_string(message));
  record.add("errorDetail", detail.take());
  return record.take() + "\r\n";
}

template <typename F>
void JsonMessageStream::guarded(F action) noexcept {
  const std::scoped_lock lock(mutex_);
  if (ended_) return;
  try {
    action();
  } catch (...) {  // the client is gone, or memory is short: nothing more can be sent either way
    ended_ = true;
  }
}

void JsonMessageStream::open() {
  if (stream_) return;
  started_.store(true, std::memory_order_release);
  stream_ = response_.start_stream(200, kJsonContentType);
}

void JsonMessageStream::write_record(std::string_view record) {
  open();
  stream_->write(base::as_bytes(record));
}

void JsonMessageStream::on_progress(const ProgressEvent& event) noexcept {
  guarded([&] { write_record(progress_record(event)); });
}

void JsonMessageStream::offer_progress(const ProgressEvent& event) noexcept {
  guarded([&] {
    open();
    if (stream_->has_room()) write_record(progress_record(event));
  });
}

void JsonMessageStream::write_text(std::string_view text) noexcept {
  guarded([&] { write_record(text_record(text)); });
}

void JsonMessageStream::fail(std::string_view message) noexcept {
  guarded([&] { write_record(error_record(message)); });
  finish();
}

void JsonMessageStream::finish() noexcept {
  guarded([&] {
    open();
    ended_ = true;
    stream_->finish();
  });
}

}  // namespace lighterd::api
