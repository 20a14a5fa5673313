// SPDX-License-Identifier: Apache-2.0
#include "imagestore/archive_content.hpp"

#include "imagestore/archive_names.hpp"
#include "imagestore/content_verifier.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

namespace {

bool is_good_for(const BlobInfo& info, BlobKind kind) {
  return kind == BlobKind::kPlain || info.layer;
}

}  // namespace

ArchiveMember* ArchiveContent::find_member(const oci::Descriptor& descriptor) {
  ArchiveMember* member = members_.find(blob_member(descriptor.digest));
  if (member == nullptr) return nullptr;
  if (member->digest != descriptor.digest)
    throw Error(ErrorCode::kDataLoss, "content verification failed for digest " + descriptor.digest.to_string());
  require_size(descriptor, member->size_bytes);
  return member;
}

std::optional<BlobInfo> ArchiveContent::find(const oci::Descriptor& descriptor, BlobKind kind) {
  if (ArchiveMember* member = find_member(descriptor)) return describe(*member, kind);
  auto info = content_.find_blob(descriptor.digest, lease_);
  if (!info || !is_good_for(*info, kind)) return std::nullopt;
  require_size(descriptor, info->size_bytes);
  return info;
}

std::optional<std::string> ArchiveContent::find_text(const oci::Descriptor& descriptor, std::size_t limit_bytes) {
  const ArchiveMember* member = find_member(descriptor);
  if (member == nullptr) {
    if (!find(descriptor, BlobKind::kPlain)) return std::nullopt;
    return content_.read_blob(descriptor.digest, limit_bytes);
  }
  return members_.read_text(*member, limit_bytes, descriptor.digest.to_string());
}

BlobInfo ArchiveContent::describe(ArchiveMember& member, BlobKind kind) {
  found_.emplace(member.digest, &member);
  BlobInfo info{member.digest, member.size_bytes, std::nullopt};
  if (kind == BlobKind::kPlain) return info;
  if (member.layer_error) {
    Error error = *member.layer_error;
    error.add_context("layer " + member.digest.to_string());
    throw Error(error);
  }
  info.layer = member.layer;
  return info;
}

void ArchiveContent::add_text(const oci::Digest& digest, std::string text) {
  const BlobInfo info{digest, static_cast<std::int64_t>(text.size()), std::nullopt};
  texts_.emplace(digest, std::move(text));
  keep(info);
}

void ArchiveContent::keep(const BlobInfo& info) {
  const auto [kept, is_new] = kept_.emplace(info.digest, info);
  if (!is_new && !kept->second.layer) kept->second.layer = info.layer;
}

bool ArchiveContent::is_in_store(const BlobInfo& info) {
  const auto known = content_.find_blob(info.digest, lease_);
  return known && is_good_for(*known, info.layer ? BlobKind::kLayer : BlobKind::kPlain);
}

std::unique_ptr<SpoolFile> ArchiveContent::take_file(const oci::Digest& digest) {
  const auto found = found_.find(digest);
  if (found != found_.end() && found->second->file) return std::move(found->second->file);
  auto file = content_.start_file();
  file->write(base::as_bytes(found == found_.end() ? texts_.at(digest) : found->second->text.value()));
  file->sync();  // which closes it: there may be more of them than a process may have open
  return file;
}

std::vector<NewBlob> ArchiveContent::take_new_blobs(const std::stop_token& stop) {
  std::vector<NewBlob> blobs;
  for (const auto& [digest, info] : kept_) {
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
    if (is_in_store(info)) continue;
    auto file = take_file(digest);
    blobs.push_back({info, std::move(file)});
  }
  return blobs;
}

}  // namespace lighterd::imagestore
