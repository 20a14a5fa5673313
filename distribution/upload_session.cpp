// SPDX-License-Identifier: Apache-2.0
#include "distribution/upload_session.hpp"

#include <algorithm>
#include <limits>
#include <thread>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "distribution/registry_error.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

// A registry may copy or hash what it got before it answers.
constexpr int kLongestCommitPatience = 30;
constexpr std::int64_t kBytesOfPatience = 100'000'000;  // that a slow registry hashes in one stall timeout
constexpr int kChunkPatience = 6;

std::optional<std::int64_t> as_size(std::string_view text) {
  const auto number = base::parse_unsigned(text);
  if (!number || *number >= static_cast<unsigned long long>(std::numeric_limits<std::int64_t>::max())) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(*number);
}

// "0-1048575", by some with "bytes=" in front.
std::optional<std::int64_t> received_bytes(const Answer& answer) {
  const std::string* header = answer.response.find_header("Range");
  if (header == nullptr) return std::nullopt;
  std::string_view range = base::trim(*header);
  if (range.starts_with("bytes=")) range.remove_prefix(6);
  if (!range.starts_with("0-")) return std::nullopt;
  const auto last = as_size(range.substr(2));
  if (!last) return std::nullopt;
  return *last == 0 ? 0 : *last + 1;
}

// Ends what takes its stop token after that time.
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds limit)
      : timer_([this, limit](const std::stop_token& done) {
          try {
            wait_for(limit, done);
            source_.request_stop();
          } catch (const Error&) {
            // It was done in time.
          }
        }) {}
  std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::jthread timer_;
};

}  // namespace

UploadSession::UploadSession(RegistrySession& registry, const Answer& started) : registry_(registry) {
  follow(started);
  if (!location_) throw Error(ErrorCode::kInternal, started.request + ": the registry named no upload location");
  if (const std::string* least = started.response.find_header("OCI-Chunk-Min-Length")) {
    min_chunk_bytes_ = as_size(*least).value_or(0);
  }
}

bool UploadSession::is_elsewhere() const {
  return !is_same_origin(*location_, registry_.registry().base());
}

// Against the URL that answered, and no answer without one changes where the session is.
void UploadSession::follow(const Answer& answer) {
  const std::string* location = answer.response.find_header("Location");
  if (location == nullptr) return;
  Url target = resolve_url(answer.url, *location);
  check_named_url(target, registry_.registry().base(), "upload location");
  location_ = std::move(target);
}

Call UploadSession::call(const char* method) const {
  Call call;
  call.method = method;
  call.at = location_;
  return call;
}

std::optional<std::int64_t> UploadSession::send_chunk(std::int64_t offset_bytes, const RequestBody& body,
                                                      const std::stop_token& stop) {
  Call call = this->call("PATCH");
  call.headers = {
      {"Content-Range", std::to_string(offset_bytes) + "-" + std::to_string(offset_bytes + body.length_bytes - 1)}};
  call.body = body;
  call.answer_patience = kChunkPatience;
  const Answer answer = registry_.call(registry_.registry(), call, stop);
  if (!answer.is_success()) throw answer.error();
  follow(answer);
  return received_bytes(answer);
}

std::optional<std::int64_t> UploadSession::get_received(const std::stop_token& stop) {
  const Answer answer = registry_.call(registry_.registry(), call("GET"), stop);
  if (!answer.is_success()) throw answer.error();
  follow(answer);
  return received_bytes(answer);
}

bool UploadSession::commit(const oci::Digest& digest, std::int64_t size_bytes, const RequestBody& rest,
                           const std::stop_token& stop) {
  Call call = this->call("PUT");
  call.at->add_query("digest=" + base::percent_encode(digest.to_string()));
  call.body = rest;
  const std::int64_t patience = kChunkPatience + size_bytes / kBytesOfPatience;
  call.answer_patience = static_cast<int>(std::min<std::int64_t>(patience, kLongestCommitPatience));
  const Answer answer = registry_.call(registry_.registry(), call, stop);
  if (!answer.is_success()) throw answer.error();
  return answer.response.status == 201;
}

void UploadSession::abandon(std::chrono::milliseconds limit) noexcept {
  try {
    // Of all that it may take: redirects, a new token.
    const Deadline deadline(limit);
    Call call = this->call("DELETE");
    call.total_timeout = limit;
    registry_.call(registry_.registry(), call, deadline.token());
  } catch (const std::exception&) {
    // The registry drops it when it has been idle for long enough.
  }
}

}  // namespace lighterd::distribution
