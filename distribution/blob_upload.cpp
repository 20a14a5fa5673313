// SPDX-License-Identifier: Apache-2.0
#include "distribution/blob_upload.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "distribution/body_source.hpp"
#include "distribution/registry_error.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kMaxMountTries = 4;

bool is_ok(const Answer& answer, std::initializer_list<int> statuses) {
  return std::find(statuses.begin(), statuses.end(), answer.response.status) != statuses.end();
}

}  // namespace

Call BlobUploader::call(const char* method, const std::string& path) const {
  Call result;
  result.method = method;
  result.path = path_ + "/" + path;
  return result;
}

bool BlobUploader::has_blob(const oci::Digest& digest, const std::stop_token& stop) {
  Endpoint& registry = session_.registry();
  const Answer answer = session_.call(registry, call("HEAD", "blobs/" + digest.to_string()), stop);
  if (answer.is_success()) return true;
  // Where HEAD is not understood, uploading it finds out.
  if (is_ok(answer, {400, 404, 405, 501})) return false;
  throw answer.error();
}

// 201: mounted; 202: an upload session instead. Nothing for a refusal, of whatever kind: the upload will tell.
std::optional<Answer> BlobUploader::mount(const oci::Digest& digest, const std::string& from,
                                          const std::stop_token& stop) {
  Call call = this->call("POST", "blobs/uploads/");
  call.query = "mount=" + base::percent_encode(digest.to_string()) + "&from=" + base::percent_encode(from);
  call.more_scopes = {{"repository:" + from, {"pull"}}};
  try {
    Answer answer = session_.call(session_.registry(), call, stop);
    if (is_ok(answer, {201, 202})) return answer;
    if (answer.response.status >= 500) throw answer.error();
  } catch (const RegistryError& error) {
    // No token for that pair of scopes.
    if (error.code() == ErrorCode::kInternal || error.code() == ErrorCode::kUnavailable) throw;
  }
  return std::nullopt;
}

Answer BlobUploader::start_upload(const std::stop_token& stop) {
  Answer answer = session_.call(session_.registry(), call("POST", "blobs/uploads/"), stop);
  if (!is_ok(answer, {202})) throw answer.error();
  return answer;
}

void BlobUploader::finish_upload(const Answer& started, const oci::Digest& digest, const RequestBody& body,
                                 const std::stop_token& stop) {
  const std::string* location = started.response.find_header("Location");
  if (location == nullptr) {
    throw Error(ErrorCode::kUnavailable, started.request + ": the registry named no upload location");
  }
  Url target = resolve_url(started.url, *location);
  check_named_url(target, session_.registry().base(), "upload location");
  target.add_query("digest=" + base::percent_encode(digest.to_string()));
  Call call;
  call.method = "PUT";
  call.at = target;
  call.body = body;
  if (call.body->content_type.empty()) call.body->content_type = "application/octet-stream";
  const Answer answer = session_.call(session_.registry(), call, stop);
  if (!is_ok(answer, {200, 201, 202, 204})) throw answer.error();
}

UploadResult BlobUploader::push(const oci::Descriptor& descriptor, const RequestBody& body,
                                const std::vector<std::string>& mount_candidates,
                                const std::function<void(std::int64_t)>& on_sent, const std::stop_token& stop) {
  const oci::Digest& digest = descriptor.digest;
  if (has_blob(digest, stop)) return {UploadResult::Kind::kExisted, {}};
  std::optional<Answer> started;
  for (std::size_t i = 0; i < std::min(mount_candidates.size(), kMaxMountTries) && !started; ++i) {
    started = mount(digest, mount_candidates[i], stop);
    if (started && started->response.status == 201) return {UploadResult::Kind::kMounted, mount_candidates[i]};
  }
  if (!started) started = start_upload(stop);
  finish_upload(*started, digest, count_sent(body, on_sent), stop);
  return {UploadResult::Kind::kUploaded, {}};
}

}  // namespace lighterd::distribution
