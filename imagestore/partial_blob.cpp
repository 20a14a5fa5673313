// SPDX-License-Identifier: Apache-2.0
#include "imagestore/partial_blob.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "imagestore/content_store.hpp"

namespace lighterd::imagestore {
namespace {

// So much of a connection's bytes is lost at most when the daemon is killed.
constexpr std::int64_t kRecordBytes = 256 * 1024;
constexpr std::size_t kBlockBytes = 256 * 1024;
// Less is not worth a file that waits for a next try.
constexpr std::int64_t kLeastKeptBytes = 64 * 1024;

// Whatever stands in the way of the file is not ours.
base::UniqueFd open_data(const std::filesystem::path& path) {
  const auto status = std::filesystem::symlink_status(path);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) std::filesystem::remove_all(path);
  base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (fd) return fd;
  if (errno == EACCES) std::filesystem::remove(path);
  return base::open_file(path, O_RDWR | O_CREAT);
}

}  // namespace

PartialBlob::PartialBlob(ContentStore& store, std::string lease_id, oci::Descriptor descriptor, BlobKind kind,
                         const std::stop_token& stop)
    : store_(store),
      lease_id_(std::move(lease_id)),
      descriptor_(std::move(descriptor)),
      kind_(kind),
      path_(store.layout_.partial(descriptor_.digest)),
      fd_(open_data(path_)),
      verifier_(std::make_unique<ContentVerifier>(descriptor_.digest.algorithm(), kind)),
      map_(store.layout_.partial_map(descriptor_.digest), descriptor_.size_bytes) {
  ranges_ = map_.load(fd_.get(), stop);
  arrived_bytes_ = ranges_.total_bytes();
  // Nothing of the file that the map does not know, and nothing beyond the blob's end, may become part of it.
  if (::ftruncate(fd_.get(), ranges_.total_bytes() == 0 ? 0 : descriptor_.size_bytes) != 0)
    throw base::errno_error(errno, path_.string());
}

PartialBlob::~PartialBlob() {
  if (fd_ && ranges_.total_bytes() < kLeastKeptBytes) forget();
  store_.close_partial(descriptor_.digest);
}

std::optional<ByteRange> PartialBlob::find_gap(std::int64_t from, std::int64_t end) const {
  const std::lock_guard lock(mutex_);
  return ranges_.find_gap(from, end);
}

base::UniqueFd PartialBlob::open_reader() const {
  return base::open_file(path_, O_RDONLY);
}

void PartialBlob::add_range(ByteRange range, std::uint64_t crc) {
  {
    const std::lock_guard lock(map_mutex_);
    // A small blob is fetched again sooner than its map is read.
    if (map_.exists() || descriptor_.size_bytes >= kLeastKeptBytes) map_.append(range, crc);
  }
  const std::lock_guard lock(mutex_);
  ranges_.add(range);
}

PartialBlob::Part::~Part() {
  try {
    record();
  } catch (const std::exception& error) {  // fetched again then
    blob_.store_.logger_.warn("cannot record what arrived", {{"error", error.what()}});
  }
}

void PartialBlob::Part::write(base::Bytes data) {
  base::write_at(blob_.fd_.get(), data, position_, blob_.path_);
  crc_ = crc64(crc_, data);
  position_ += static_cast<std::int64_t>(data.size());
  blob_.arrived_bytes_.fetch_add(static_cast<std::int64_t>(data.size()), std::memory_order_relaxed);
  if (position_ - recorded_ >= kRecordBytes) record();
}

void PartialBlob::Part::record() {
  if (recorded_ == position_) return;
  const ByteRange range{recorded_, position_};
  const std::uint64_t crc = std::exchange(crc_, 0);
  recorded_ = position_;
  blob_.add_range(range, crc);
}

void PartialBlob::verify(std::int64_t position, base::Bytes data) {
  if (position != verifier_->size_bytes()) return;
  verifier_->update(data);
  base::start_write_back(fd_.get(), flushed_bytes_, verifier_->size_bytes());
}

bool PartialBlob::verify_arrived(std::int64_t limit_bytes) {
  const std::int64_t begin = verifier_->size_bytes();
  std::int64_t end = 0;
  {
    const std::lock_guard lock(mutex_);
    end = std::min(ranges_.end_of_run(begin), begin + limit_bytes);
  }
  if (end <= begin) return false;
  std::vector<std::byte> buffer(kBlockBytes);
  for (std::int64_t position = begin; position < end;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::int64_t>(end - position, kBlockBytes));
    const std::size_t count = base::read_at(fd_.get(), std::span(buffer).first(wanted), position, path_);
    if (count == 0) throw base::Error(base::ErrorCode::kInternal, path_.string() + ": became shorter");
    verify(position, base::Bytes(buffer).first(count));
    position += static_cast<std::int64_t>(count);
  }
  return true;
}

BlobInfo PartialBlob::commit() {
  while (verify_arrived(descriptor_.size_bytes)) continue;
  try {
    verifier_->check(descriptor_);
  } catch (const base::Error&) {
    discard();
    throw;
  }
  const BlobInfo info{descriptor_.digest, descriptor_.size_bytes, verifier_->finish_layer()};
  try {
    store_.take_file(fd_, path_, info, lease_id_);
  } catch (...) {
    // After a failed sync the pages in memory say nothing of the disk: they must not be taken for it by a next try.
    if (fd_) forget();
    throw;
  }
  map_.remove();
  return info;
}

void PartialBlob::forget() noexcept {
  map_.remove();
  remove_file(path_, store_.logger_);
  fd_.reset();
}

void PartialBlob::discard() {
  map_.remove();
  if (::ftruncate(fd_.get(), 0) != 0) throw base::errno_error(errno, path_.string());
  arrived_bytes_ = 0;
  flushed_bytes_ = 0;
  verifier_ = std::make_unique<ContentVerifier>(descriptor_.digest.algorithm(), kind_);
  const std::lock_guard lock(mutex_);
  ranges_ = {};
}

}  // namespace lighterd::imagestore
