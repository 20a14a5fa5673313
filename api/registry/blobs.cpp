// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "api/registry/endpoints.hpp"
#include "api/registry/range_header.hpp"
#include "api/registry/registry_fault.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::api::registry {
namespace {

constexpr std::string_view kBlobType = "application/octet-stream";
constexpr std::size_t kCopyBytes = std::size_t{128} * 1024;

[[noreturn]] void throw_unknown(const oci::Digest& digest) {
  throw RegistryFault(FaultCode::kBlobUnknown, "", json_string(digest.to_string()));
}

std::string content_range(const Range& range, std::int64_t size_bytes) {
  return "bytes " + std::to_string(range.first) + "-" + std::to_string(range.last) + "/" + std::to_string(size_bytes);
}

void set_blob_headers(RegistryCall& call, const oci::Digest& digest) {
  set_digest_headers(call, digest);
  call.response.set_header("Accept-Ranges", "bytes");
  call.response.set_header("Cache-Control", "max-age=31536000");
}

// What the request asks for; a Range that depends on another content asks for the whole (RFC 9110 section 13.1.5).
RangeRequest read_range(const RegistryCall& call, const oci::Digest& digest, std::int64_t size_bytes) {
  const std::string* range = call.request.headers.find("Range");
  if (range == nullptr || call.request.method == "HEAD") return {};
  const std::string* condition = call.request.headers.find("If-Range");
  if (condition != nullptr && *condition != "\"" + digest.to_string() + "\"") return {};
  RangeRequest request = parse_range(*range, size_bytes);
  if (request.kind == RangeRequest::Kind::kUnsatisfiable)
    throw RegistryFault(416, FaultEntry{FaultCode::kRangeInvalid, ""},
                        {{"Content-Range", "bytes */" + std::to_string(size_bytes)}});
  return request;
}

void send_head(RegistryCall& call, std::int64_t size_bytes) {
  call.status = 200;
  call.response.set_header("Content-Length", std::to_string(size_bytes));
  call.response.send(200, kBlobType, "");
}

void copy(base::Source& source, ResponseStream& stream, std::int64_t length_bytes) {
  std::vector<std::byte> buffer(kCopyBytes);
  while (length_bytes > 0) {
    const auto wanted = static_cast<std::size_t>(std::min<std::int64_t>(length_bytes, kCopyBytes));
    const std::size_t count = source.read(std::span(buffer).first(wanted));
    if (count == 0) throw base::Error(base::ErrorCode::kDataLoss, "a blob is shorter than it should be");
    stream.write(base::Bytes(buffer).first(count));
    length_bytes -= static_cast<std::int64_t>(count);
  }
}

// RFC 9110 section 14.6.
void send_parts(RegistryCall& call, const base::UniqueFd& file, const std::vector<Range>& ranges,
                std::int64_t size_bytes) {
  const std::string boundary = oci::random_hex(16);
  std::vector<std::string> heads;
  std::uint64_t length_bytes = 0;
  for (const Range& range : ranges) {
    heads.push_back((heads.empty() ? "--" : "\r\n--") + boundary + "\r\nContent-Type: " + std::string(kBlobType) +
                    "\r\nContent-Range: " + content_range(range, size_bytes) + "\r\n\r\n");
    length_bytes += heads.back().size() + static_cast<std::uint64_t>(range.size_bytes());
  }
  const std::string end = "\r\n--" + boundary + "--\r\n";
  call.status = 206;
  const auto stream =
      call.response.start_sized_stream(206, "multipart/byteranges; boundary=" + boundary, length_bytes + end.size());
  std::vector<std::byte> buffer(kCopyBytes);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    stream->write(base::as_bytes(heads[i]));
    for (std::int64_t position = ranges[i].first; position <= ranges[i].last;) {
      const auto wanted = static_cast<std::size_t>(std::min<std::int64_t>(ranges[i].last + 1 - position, kCopyBytes));
      const std::size_t count = base::read_at(file.get(), std::span(buffer).first(wanted), position, "blob");
      if (count == 0) throw base::Error(base::ErrorCode::kDataLoss, "a blob is shorter than it should be");
      stream->write(base::Bytes(buffer).first(count));
      position += static_cast<std::int64_t>(count);
    }
  }
  stream->write(base::as_bytes(end));
  stream->finish();
}

void send_stored(RegistryCall& call, const imagestore::BlobInfo& blob) {
  const RangeRequest request = read_range(call, blob.digest, blob.size_bytes);
  // First, since an error must not have the headers of content.
  base::UniqueFd file = call.services.content.open_blob(blob.digest);
  set_blob_headers(call, blob.digest);
  if (call.request.method == "HEAD") return send_head(call, blob.size_bytes);
  if (request.ranges.size() > 1) return send_parts(call, file, request.ranges, blob.size_bytes);
  const bool is_part = request.kind == RangeRequest::Kind::kParts;
  const Range range = is_part ? request.ranges.front() : Range{0, blob.size_bytes - 1};
  if (is_part) call.response.set_header("Content-Range", content_range(range, blob.size_bytes));
  call.status = is_part ? 206 : 200;
  call.response.send_file(call.status, kBlobType, std::move(file), static_cast<std::uint64_t>(range.first),
                          static_cast<std::uint64_t>(range.size_bytes()));
}

// Of a blob that is on its way from upstream: handed on as it arrives. Several ranges are not worth it.
void send_download(RegistryCall& call, const distribution::UpstreamCall& upstream, const oci::Digest& digest) {
  auto& cache = call.services.upstream;
  const auto size_bytes = cache.find_blob_size(upstream, digest, call.request.stop);
  if (!size_bytes) throw_unknown(digest);
  const RangeRequest request = read_range(call, digest, *size_bytes);
  if (call.request.method == "HEAD") {
    set_blob_headers(call, digest);
    return send_head(call, *size_bytes);
  }
  const bool is_part = request.ranges.size() == 1;
  const Range range = is_part ? request.ranges.front() : Range{0, *size_bytes - 1};
  const auto download = cache.open_blob(upstream, digest, range.first, call.request.stop);
  if (!download) {
    const auto blob = call.services.registry.find_blob(call.repository.name, digest);
    if (!blob) throw_unknown(digest);
    return send_stored(call, *blob);
  }
  set_blob_headers(call, digest);
  if (is_part) call.response.set_header("Content-Range", content_range(range, *size_bytes));
  call.status = is_part ? 206 : 200;
  const auto stream =
      call.response.start_sized_stream(call.status, kBlobType, static_cast<std::uint64_t>(range.size_bytes()));
  copy(*download, *stream, range.size_bytes());
  stream->finish();
}

}  // namespace

void blob_get(RegistryCall& call) {
  const oci::Digest digest = parse_digest_parameter(call.request.path_parameter("digest"));
  const auto blob = call.services.registry.find_blob(call.repository.name, digest);
  if (blob && is_not_modified(call.request.headers, digest)) {
    set_blob_headers(call, digest);
    return send_empty(call, 304);
  }
  if (blob) return send_stored(call, *blob);
  const auto upstream = find_upstream(call);
  // A repository of which no manifest was asked for yet has no blobs that anybody could want.
  if (!upstream || !call.services.registry.find_repository(call.repository.name)) throw_unknown(digest);
  send_download(call, *upstream, digest);
}

void blob_delete(RegistryCall& call) {
  require_writable(call);
  const oci::Digest digest = parse_digest_parameter(call.request.path_parameter("digest"));
  if (!call.services.registry.unlink_blob(call.repository.name, digest)) throw_unknown(digest);
  send_empty(call, 202);
}

}  // namespace lighterd::api::registry
