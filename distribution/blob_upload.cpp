// SPDX-License-Identifier: Apache-2.0
#include "distribution/blob_upload.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "distribution/body_source.hpp"
#include "distribution/chunked_upload.hpp"
#include "distribution/registry_error.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

// What makes up for a failure.
constexpr std::int64_t kLeastProgressBytes = std::int64_t{1} << 20;
constexpr std::chrono::seconds kAbandonTimeout{5};
// The one who cancelled does not want to wait.
constexpr std::chrono::seconds kCancelledAbandonTimeout{1};

bool is_ok(const Answer& answer, std::initializer_list<int> statuses) {
  return std::find(statuses.begin(), statuses.end(), answer.response.status) != statuses.end();
}

// What a request costs is worth more the more it can save (docker's figures).
std::size_t mount_tries(std::int64_t size_bytes) {
  if (size_bytes > 10'000'000) return 4;
  return size_bytes > 100'000 ? 3 : 1;
}

bool is_gone(const RegistryError& error) {
  return error.status() == 404 || error.status() == 410;
}

}  // namespace

Call BlobUploader::call(const char* method, const std::string& path) const {
  Call result;
  result.method = method;
  result.path = path_ + "/" + path;
  return result;
}

bool BlobUploader::has_blob(const oci::Digest& digest, const std::stop_token& stop) {
  const Answer answer = registry_.call(registry_.registry(), call("HEAD", "blobs/" + digest.to_string()), stop);
  if (answer.is_success()) return true;
  // Where HEAD is not understood, uploading it finds out.
  if (is_ok(answer, {400, 404, 405, 501})) return false;
  throw answer.error();
}

// 201: mounted; 202: an upload session instead. Neither for a refusal, of whatever kind: the upload will tell.
BlobUploader::Mount BlobUploader::mount(const oci::Digest& digest, const std::string& from,
                                        const std::stop_token& stop) {
  Mount result;
  Call call = this->call("POST", "blobs/uploads/");
  call.query = "mount=" + base::percent_encode(digest.to_string()) + "&from=" + base::percent_encode(from);
  call.more_scopes = {{"repository:" + from, {"pull"}}};
  try {
    const Answer answer = registry_.call(registry_.registry(), call, stop);
    if (is_ok(answer, {201})) result.from = from;
    if (is_ok(answer, {202})) result.session.emplace(registry_, answer);
  } catch (const Error& error) {
    // No token for that pair of scopes, a connection that broke: the upload can do without.
    if (error.code() == ErrorCode::kCancelled) throw;
  }
  return result;
}

BlobUploader::Mount BlobUploader::mount_from_any(const oci::Descriptor& descriptor,
                                                 const std::vector<std::string>& candidates,
                                                 const std::stop_token& stop) {
  Mount result;
  const std::size_t tries = std::min(candidates.size(), mount_tries(descriptor.size_bytes));
  for (std::size_t i = 0; i < tries && result.from.empty(); ++i) {
    try {
      Mount next = mount(descriptor.digest, candidates[i], stop);
      if (next.from.empty() && !next.session) continue;
      if (result.session) result.session->abandon(kAbandonTimeout);
      result.from = std::move(next.from);
      result.session.reset();
      if (next.session) result.session.emplace(std::move(*next.session));
    } catch (const Error&) {
      if (result.session) result.session->abandon(kCancelledAbandonTimeout);
      throw;
    }
  }
  return result;
}

UploadSession BlobUploader::start(const std::stop_token& stop) {
  const Answer answer = registry_.call(registry_.registry(), call("POST", "blobs/uploads/"), stop);
  if (!is_ok(answer, {202})) throw answer.error();
  return UploadSession(registry_, answer);
}

// False: the registry takes no chunks.
bool BlobUploader::send_in_chunks(UploadSession& session, const oci::Digest& digest, const UploadContent& content,
                                  UploadRetry& retry, const UploadWatcher& watcher, const std::stop_token& stop) {
  ChunkedBlob blob{.digest = digest,
                   .content = content,
                   .chunk_bytes = std::max(options_.chunk_bytes, session.min_chunk_bytes()),
                   .on_sent = watcher.on_sent,
                   .is_there = [this, &digest, &stop] { return has_blob(digest, stop); }};
  try {
    if (ChunkedUpload(session, std::move(blob), retry).run(stop)) return true;
  } catch (const UploadLost&) {
    sends_whole_ = true;
    throw;
  }
  sends_whole_ = true;
  return false;
}

void BlobUploader::send(std::optional<UploadSession>& session, const oci::Descriptor& descriptor,
                        const UploadContent& content, UploadRetry& retry, const UploadWatcher& watcher,
                        const std::stop_token& stop) {
  if (!session) session.emplace(start(stop));
  if (content.size_bytes >= options_.chunked_from_bytes && !sends_whole_ && !session->is_elsewhere()) {
    if (send_in_chunks(*session, descriptor.digest, content, retry, watcher, stop)) return;
    // It may have kept a part of what it refused.
    session->abandon(kAbandonTimeout);
    session.reset();
    session.emplace(start(stop));
  }
  const RequestBody whole{.content_type = "application/octet-stream",
                          .length_bytes = content.size_bytes,
                          .open = [&content] { return content.open(0, content.size_bytes); }};
  const auto commit = [&] {
    try {
      return session->commit(descriptor.digest, content.size_bytes, count_sent(whole, watcher.on_sent), stop);
    } catch (const RegistryError& error) {
      if (is_gone(error)) throw UploadLost(error.text(), UploadLost::Session::kGone);
      throw;
    }
  };
  if (commit() || has_blob(descriptor.digest, stop)) return;
  throw UploadLost("the registry took the upload and does not have the blob", UploadLost::Session::kLeft);
}

UploadResult BlobUploader::push(const oci::Descriptor& descriptor, const UploadContent& content,
                                const std::vector<std::string>& mount_candidates, const UploadWatcher& watcher,
                                const std::stop_token& stop) {
  const oci::Digest& digest = descriptor.digest;
  UploadRetry retry(registry_.retry_policy(), std::min(kLeastProgressBytes, options_.chunk_bytes), watcher.on_retry);
  const auto is_there = [&] { return has_blob(digest, stop); };
  if (retry.run(is_there, stop)) return {UploadResult::Kind::kExisted, {}};
  Mount mounted = mount_from_any(descriptor, mount_candidates, stop);
  if (!mounted.from.empty()) return {UploadResult::Kind::kMounted, std::move(mounted.from)};
  std::optional<UploadSession> session = std::move(mounted.session);
  for (;;) {
    try {
      send(session, descriptor, content, retry, watcher, stop);
      return {UploadResult::Kind::kUploaded, {}};
    } catch (const UploadLost& error) {
      if (session && error.session() == UploadLost::Session::kLeft) session->abandon(kAbandonTimeout);
      session.reset();
      retry.wait(error, stop);
    } catch (const Error& error) {
      // Nothing reaches a registry that is not there.
      if (session && dynamic_cast<const TransportError*>(&error) == nullptr) {
        session->abandon(error.code() == ErrorCode::kCancelled ? kCancelledAbandonTimeout : kAbandonTimeout);
      }
      session.reset();
      retry.wait_or_rethrow(error, stop);
    }
    if (retry.run(is_there, stop)) return {UploadResult::Kind::kUploaded, {}};
  }
}

}  // namespace lighterd::distribution
