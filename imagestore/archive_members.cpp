// SPDX-License-Identifier: Apache-2.0
#include "imagestore/archive_members.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/encoding.hpp"
#include "imagestore/archive_names.hpp"
#include "imagestore/layer_recompression.hpp"
#include "oci/docker_archive.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::size_t kBlockBytes = std::size_t{256} * 1024;
constexpr std::size_t kMaxMembers = 50'000;
constexpr std::size_t kMaxNameBytes = std::size_t{8} * 1024 * 1024;  // of all of them
constexpr std::int64_t kSmallBytes = std::int64_t{64} * 1024;
constexpr std::int64_t kMaxTextBytes = std::int64_t{8} * 1024 * 1024;  // of all small ones
constexpr int kMaxHops = 8;
constexpr std::size_t kBlocksToHash = 4;
constexpr std::size_t kFilesToSync = 16;
constexpr std::chrono::milliseconds kReportInterval{100};

// What says how the archive is to be read. Its size is bounded by whoever parses it.
bool is_index_document(std::string_view name) {
  constexpr std::array<std::string_view, 3> kNames = {"manifest.json", "index.json", "oci-layout"};
  return std::ranges::find(kNames, name) != kNames.end();
}

// Compressed, or a tar: its first header has a magic, or it is empty.
bool looks_like_a_layer(base::Bytes first) {
  if (compression_of(base::as_text(first)) != Compression::kNone) return true;
  if (first.size() < kTarBlockBytes) return false;
  return base::as_text(first).substr(tar::kMagic.offset).starts_with("ustar") ||
         is_zero_block(first.first(kTarBlockBytes));
}

// Tells of one member, not more often than clients can show.
class Reporter {
 public:
  Reporter(const MemberListener& listener, std::string_view name, std::int64_t total_bytes)
      : listener_(listener), progress_{progress_id(name), 0, total_bytes} {}

  void add(base::Bytes data) {
    if (!listener_) return;
    progress_.current_bytes += static_cast<std::int64_t>(data.size());
    if (!is_shown_) look_at(data);
    if (!is_shown_.value_or(false)) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_ && progress_.current_bytes != progress_.total_bytes) return;
    next_ = now + kReportInterval;
    listener_(progress_);
  }

 private:
  // It may arrive in pieces of any size.
  void look_at(base::Bytes data) {
    head_ += base::as_text(data.first(std::min(kTarBlockBytes - head_.size(), data.size())));
    if (head_.size() == kTarBlockBytes || progress_.current_bytes == progress_.total_bytes)
      is_shown_ = looks_like_a_layer(base::as_bytes(head_));
  }

  const MemberListener& listener_;
  MemberProgress progress_;
  std::string head_;
  std::optional<bool> is_shown_;  // once there is enough of it to tell
  std::chrono::steady_clock::time_point next_;
};

// The data of the entry at hand, told of as it passes.
class MemberSource final : public base::Source {
 public:
  MemberSource(TarReader& archive, Reporter& reporter, const std::stop_token& stop)
      : archive_(archive), reporter_(reporter), stop_(stop) {}

  std::size_t read(std::span<std::byte> buffer) override {
    const std::size_t count = archive_.read(buffer);
    if (stop_.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
    if (count > 0) reporter_.add(base::Bytes(buffer).first(count));
    return count;
  }

 private:
  TarReader& archive_;
  Reporter& reporter_;
  const std::stop_token& stop_;
};

// What no media type is for. What a digest names has to stay as it is.
bool is_made_gzip(const std::string& name, Compression compression) {
  return (compression == Compression::kBzip2 || compression == Compression::kXz) && !is_index_document(name) &&
         !find_blob_digest(name);
}

void finish(ContentVerifier& verifier, ArchiveMember& member) {
  member.digest = verifier.finish();
  try {
    member.layer = verifier.finish_layer();
  } catch (const Error& error) {  // matters if it is used as a layer
    member.layer_error = error;
  }
  member.compression = verifier.compression();
}

}  // namespace

ArchiveMembers::ArchiveMembers(ContentStore& content, const Lease& lease, MemberListener on_progress)
    : content_(content),
      lease_(lease),
      on_progress_(std::move(on_progress)),
      buffers_(kBlocksToHash + 1),
      hasher_(kBlocksToHash),
      syncer_(kFilesToSync) {}

void ArchiveMembers::read(TarReader& archive, const std::stop_token& stop) {
  while (const auto entry = archive.next()) add(*entry, archive, stop);
  syncer_.wait();
}

void ArchiveMembers::add(const TarEntry& entry, TarReader& archive, const std::stop_token& stop) {
  const auto name = find_member_name(entry.name);
  if (!name) return;  // nothing can refer to it
  switch (entry.kind) {
    case TarEntryKind::kFile: {
      auto member = std::make_unique<ArchiveMember>(read_member(*name, entry.size_bytes, archive, stop));
      SpoolFile* file = member->file.get();
      // What stands there already goes with its file.
      if (add_entry(*name, {.link_target = {}, .member = std::move(member)}) && file != nullptr)
        syncer_.add([file] { file->sync(); });
      return;
    }
    case TarEntryKind::kSymlink:
      return add_link(*name, find_link_target(*name, entry.link_target));
    case TarEntryKind::kHardlink:
      return add_link(*name, find_member_name(entry.link_target));
    default:
      return;
  }
}

void ArchiveMembers::add_link(const std::string& name, std::optional<std::string> target) {
  if (target) add_entry(name, {.link_target = *std::move(target), .member = {}});
}

// Whether it was not there before.
bool ArchiveMembers::add_entry(const std::string& name, Entry entry) {
  const auto known = entries_.find(name);
  if (known != entries_.end()) {
    // The same file twice means the same whichever is taken.
    const Entry& before = known->second;
    const bool same = entry.member && before.member && entry.member->digest == before.member->digest &&
                      !is_index_document(name) && !find_blob_digest(name);
    if (same) return false;
    throw Error(ErrorCode::kInvalidArgument, "archive has the member " + base::printable(name, 256) + " twice");
  }
  name_bytes_ += name.size() + entry.link_target.size();
  if (entries_.size() >= kMaxMembers || name_bytes_ > kMaxNameBytes)
    throw Error(ErrorCode::kInvalidArgument, "archive has too many members");
  entries_.emplace(name, std::move(entry));
  return true;
}

std::optional<ArchiveMember> ArchiveMembers::find_stored(const std::string& name, std::int64_t size_bytes) {
  const auto digest = find_blob_digest(name);
  if (!digest) return std::nullopt;
  const auto info = content_.find_blob(*digest, lease_);
  if (!info || !info->layer || info->size_bytes != size_bytes) return std::nullopt;
  ArchiveMember member{.digest = *digest, .size_bytes = size_bytes};
  member.layer = info->layer;
  member.is_stored = true;
  return member;
}

bool ArchiveMembers::fits_in_memory(const std::string& name, std::int64_t size_bytes) {
  if (is_index_document(name)) {
    if (size_bytes <= static_cast<std::int64_t>(oci::kMaxArchiveDocumentBytes)) return true;
    throw Error(ErrorCode::kInvalidArgument,
                name + " is larger than " + std::to_string(oci::kMaxArchiveDocumentBytes) + " bytes");
  }
  if (size_bytes > kSmallBytes || text_bytes_ + size_bytes > kMaxTextBytes) return false;
  text_bytes_ += size_bytes;
  return true;
}

ArchiveMember ArchiveMembers::read_member(const std::string& name, std::int64_t size_bytes, TarReader& archive,
                                          const std::stop_token& stop) {
  if (auto stored = find_stored(name, size_bytes)) return *std::move(stored);
  Reporter reporter(on_progress_, name, size_bytes);
  MemberSource data(archive, reporter, stop);
  PeekedSource peeked(data);
  if (is_made_gzip(name, peeked.compression())) return make_gzip(peeked);
  const auto named = find_blob_digest(name);
  const auto verifier =
      std::make_shared<ContentVerifier>(named ? named->algorithm() : oci::DigestAlgorithm::kSha256, BlobKind::kLayer);
  ArchiveMember member{.digest = oci::digest_of({}), .size_bytes = size_bytes};
  if (fits_in_memory(name, size_bytes)) {
    member.text.emplace();
  } else {
    member.file = content_.start_file();
  }
  read_data(member, peeked, verifier);
  finish(*verifier, member);
  return member;
}

ArchiveMember ArchiveMembers::make_gzip(base::Source& compressed) {
  DigestedFile file(content_);
  PlainLayer plain(compressed, &file);
  std::optional<LayerContent> layer;
  std::optional<Error> layer_error;
  try {
    drain(plain);
    layer = plain.finish();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDataLoss) throw;
    layer_error = error;  // matters if it is used as a layer
    drain(compressed);    // throws again if it is the archive that is damaged
  }
  NewBlob blob = file.finish(std::move(layer));
  return {.digest = blob.info.digest,
          .size_bytes = blob.info.size_bytes,
          .compression = Compression::kGzip,
          .layer = std::move(blob.info.layer),
          .layer_error = std::move(layer_error),
          .file = std::move(blob.file)};
}

// The work owns the verifier: it may still run when this is left by an error.
void ArchiveMembers::read_data(ArchiveMember& member, base::Source& source,
                               const std::shared_ptr<ContentVerifier>& verifier) {
  for (;;) {
    std::vector<std::byte>& buffer = next_buffer();
    const std::size_t count = source.read(buffer);
    if (count == 0) break;
    const base::Bytes data = base::Bytes(buffer).first(count);
    if (member.file) {
      hasher_.add([verifier, data] { verifier->update(data); });
      member.file->write(data);
    } else {
      verifier->update(data);
      member.text->append(base::as_text(data));
    }
  }
  hasher_.wait();
}

std::vector<std::byte>& ArchiveMembers::next_buffer() {
  std::vector<std::byte>& buffer = buffers_[next_buffer_++ % buffers_.size()];
  if (buffer.empty()) buffer.resize(kBlockBytes);
  return buffer;
}

ArchiveMember* ArchiveMembers::find(std::string_view name) {
  auto next = find_member_name(name);
  for (int hop = 0; next && hop <= kMaxHops; ++hop) {
    const auto found = entries_.find(*next);
    if (found == entries_.end()) return nullptr;
    if (found->second.member) return found->second.member.get();
    next = found->second.link_target;
  }
  if (!next) return nullptr;
  throw Error(ErrorCode::kInvalidArgument, "archive: too many links from " + base::printable(name, 256));
}

std::string ArchiveMembers::read_text(const ArchiveMember& member, std::size_t limit_bytes,
                                      const std::string& what) const {
  if (member.size_bytes > static_cast<std::int64_t>(limit_bytes))
    throw Error(ErrorCode::kInvalidArgument, what + " is larger than " + std::to_string(limit_bytes) + " bytes");
  if (member.text) return *member.text;
  return member.file ? base::read_file(member.file->path(), limit_bytes)
                     : content_.read_blob(member.digest, limit_bytes);
}

}  // namespace lighterd::imagestore
