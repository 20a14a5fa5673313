// SPDX-License-Identifier: Apache-2.0
#include "imagestore/content_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <unordered_set>

#include "base/error.hpp"
#include "imagestore/upload_table.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

namespace {

// A partial blob may have gaps. 0 for what is not there.
std::int64_t disk_bytes(const std::filesystem::path& path) noexcept {
  constexpr std::int64_t kBlockBytes = 512;
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return 0;
  return std::min<std::int64_t>(status.st_size, status.st_blocks * kBlockBytes);
}

}  // namespace

std::int64_t remove_file(const std::filesystem::path& path, base::Logger& logger) noexcept {
  const std::int64_t bytes = disk_bytes(path);
  if (::unlink(path.c_str()) == 0) return bytes;
  if (errno != ENOENT)
    logger.warn("cannot remove a file of the store", {{"path", path.string()}, {"errno", std::to_string(errno)}});
  return 0;
}

Lease::Lease(Lease&& other) noexcept : store_(std::exchange(other.store_, nullptr)), id_(std::move(other.id_)) {}

Lease::~Lease() {
  if (store_ != nullptr) store_->drop_lease(id_);
}

void ContentStore::record(const BlobInfo& info, const std::string& lease_id) {
  base::sync_directory(layout_.blob(info.digest).parent_path());
  auto write = database_.write();
  blob_table::insert(*write, info, base::now());
  blob_table::lease(*write, lease_id, info.digest);
  write.commit();
}

void ContentStore::take_file(base::UniqueFd& fd, const std::filesystem::path& path, const BlobInfo& info,
                             const std::string& lease_id) {
  base::sync_data(fd.get(), path);
  const std::lock_guard guard(lock_of(info.digest));
  const std::filesystem::path target = layout_.blob(info.digest);
  if (::rename(path.c_str(), target.c_str()) != 0) throw base::errno_error(errno, "rename to " + target.string());
  // Not before: what is left in ingest/ has to be opened for writing again.
  ::fchmod(fd.get(), 0400);
  fd.reset();
  try {
    record(info, lease_id);
  } catch (...) {
    // A full disk must not be filled by what nobody knows of. A row from before stands for the same bytes.
    remove_if_unknown(info.digest);
    throw;
  }
}

ContentStore::ContentStore(const StoreLayout& layout, MetadataDb& database, base::Logger& logger,
                           std::chrono::hours keep_unreferenced)
    : layout_(layout), database_(database), logger_(logger), keep_unreferenced_(keep_unreferenced) {
  remove_leftovers();
  remove_unreferenced(base::now() - keep_unreferenced_, {});
}

std::int64_t ContentStore::collect(base::Timestamp before, const std::stop_token& stop) {
  remove_stale_ingests(false);
  return remove_unreferenced(before, stop);
}

bool ContentStore::is_open_upload(const std::filesystem::path& path) {
  const auto id = layout_.find_upload_id(path);
  return id && upload_table::find(*database_.read(), *id);
}

// Only of an earlier run everything that is no partial blob may go: a BlobWriter's file has no name to know it by.
void ContentStore::remove_stale_ingests(bool at_start) {
  for (const auto& entry : std::filesystem::directory_iterator(layout_.ingest())) {
    const auto digest = layout_.find_partial_digest(entry.path());
    if (!digest && (!at_start || is_open_upload(entry.path()))) continue;
    // Taken, so that nobody opens it meanwhile.
    if (digest && !open_partials_.lock()->insert(*digest).second) continue;
    const base::Finally close([&] {
      if (digest) close_partial(*digest);
    });
    if (digest && is_wanted_partial(entry)) continue;
    logger_.debug("removed an unfinished download", {{"file", entry.path().filename().string()}});
    std::error_code ignored;
    std::filesystem::remove_all(entry.path(), ignored);
  }
}

std::int64_t ContentStore::remove_idle_partials() {
  std::int64_t freed_bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(layout_.ingest())) {
    const auto digest = layout_.find_partial_digest(entry.path());
    if (!digest || !open_partials_.lock()->insert(*digest).second) continue;
    freed_bytes += remove_file(entry.path(), logger_);
    close_partial(*digest);
  }
  return freed_bytes;
}

std::int64_t ContentStore::remove_unneeded() {
  return remove_unreferenced(base::Timestamp::max(), {}) + remove_idle_partials();
}

StoreUsage ContentStore::measure_usage() {
  StoreUsage usage;
  {
    auto read = database_.read();
    usage.blob_bytes = blob_table::total_bytes(*read);
    usage.unneeded_blob_bytes = blob_table::unreferenced_bytes(*read);
  }
  for (const auto& entry : std::filesystem::directory_iterator(layout_.ingest())) {
    const auto digest = layout_.find_partial_digest(entry.path());
    if (!digest && !layout_.find_upload_id(entry.path())) continue;
    const std::int64_t bytes = disk_bytes(entry.path());
    usage.partial_bytes += bytes;
    if (digest && !open_partials_.lock()->contains(*digest)) usage.idle_partial_bytes += bytes;
  }
  return usage;
}

bool ContentStore::is_wanted_partial(const std::filesystem::directory_entry& entry) {
  const oci::Digest digest = *layout_.find_partial_digest(entry.path());
  struct stat status {};
  if (::lstat(entry.path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  const auto age = std::chrono::system_clock::now() - std::chrono::system_clock::from_time_t(status.st_mtime);
  if (age > keep_unreferenced_) return false;
  // Without its map it is of no use; the other way round neither.
  return ::access(layout_.partial(digest).c_str(), F_OK) == 0 &&
         ::access(layout_.partial_map(digest).c_str(), F_OK) == 0 && !blob_table::find(*database_.read(), digest);
}

void ContentStore::remove_leftovers() {
  remove_stale_ingests(true);
  remove_unknown_files(oci::DigestAlgorithm::kSha256);
  remove_unknown_files(oci::DigestAlgorithm::kSha512);
}

void ContentStore::remove_unknown_files(oci::DigestAlgorithm algorithm) {
  const std::unordered_set<oci::Digest> known = [&] {
    const auto digests = blob_table::list(*database_.read());
    return std::unordered_set<oci::Digest>(digests.begin(), digests.end());
  }();
  for (const auto& entry : std::filesystem::directory_iterator(layout_.blobs(algorithm))) {
    const auto digest =
        oci::find_digest(std::string(oci::to_string(algorithm)) + ":" + entry.path().filename().string());
    if (!digest || !known.contains(*digest)) remove_file(entry.path(), logger_);
  }
}

std::int64_t ContentStore::remove_unreferenced(base::Timestamp before, const std::stop_token& stop) {
  constexpr std::int64_t kBatch = 256;
  std::int64_t freed_bytes = 0;
  std::string after;
  // Found without the lock of writers, and looked at again under it.
  for (auto found = blob_table::list_unreferenced(*database_.read(), before, after, kBatch); !found.empty();
       found = blob_table::list_unreferenced(*database_.read(), before, after, kBatch)) {
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "collection cancelled");
    after = found.back().to_string();
    freed_bytes += remove_files(remove_rows(found));
  }
  if (freed_bytes > 0) logger_.debug("removed content that nothing needs", {{"bytes", std::to_string(freed_bytes)}});
  return freed_bytes;
}

std::vector<oci::Digest> ContentStore::remove_rows(const std::vector<oci::Digest>& roots) {
  std::vector<oci::Digest> removed;
  std::int64_t ignored_bytes = 0;
  auto write = database_.write();
  for (const auto& root : roots)
    for (auto& digest : blob_table::remove_unreferenced(*write, root, ignored_bytes))
      removed.push_back(std::move(digest));
  write.commit();
  return removed;
}

std::mutex& ContentStore::lock_of(const oci::Digest& digest) {
  return digest_locks_[std::hash<oci::Digest>()(digest) % digest_locks_.size()];
}

Lease ContentStore::make_lease(const std::string& operation) {
  const std::string id = oci::random_hex(16);
  const std::vector<std::string> left = *undropped_leases_.lock();
  auto write = database_.write(MetadataDb::Durability::kThisRun);
  for (const auto& each : left) blob_table::remove_lease(*write, each);
  blob_table::insert_lease(*write, id, operation, base::now());
  write.commit();
  auto undropped = undropped_leases_.lock();
  std::erase_if(*undropped, [&](const auto& each) { return std::find(left.begin(), left.end(), each) != left.end(); });
  return {*this, id};
}

void ContentStore::drop_lease(const std::string& id) noexcept {
  try {
    auto write = database_.write(MetadataDb::Durability::kThisRun);
    blob_table::remove_lease(*write, id);
    write.commit();
  } catch (const std::exception& error) {  // a full disk, say: dropped with the next lease that can be made
    logger_.warn("cannot drop a lease", {{"error", error.what()}});
    undropped_leases_.lock()->push_back(id);
  }
}

std::optional<BlobInfo> ContentStore::check_file(std::optional<BlobInfo> info) const {
  if (!info) return std::nullopt;
  struct stat status {};
  const std::filesystem::path path = layout_.blob(info->digest);
  if (::stat(path.c_str(), &status) == 0 && status.st_size == info->size_bytes) return info;
  logger_.warn("a blob's file is missing or damaged", {{"digest", info->digest.to_string()}});
  return std::nullopt;
}

void ContentStore::hold(const oci::Digest& digest, const Lease& lease) {
  auto write = database_.write(MetadataDb::Durability::kThisRun);
  blob_table::lease(*write, lease.id(), digest);
  write.commit();
}

std::optional<BlobInfo> ContentStore::find_blob(const oci::Digest& digest, const Lease& lease) {
  std::optional<BlobInfo> info;
  {
    auto write = database_.write(MetadataDb::Durability::kThisRun);
    info = blob_table::find(*write, digest);
    if (!info) return std::nullopt;
    blob_table::lease(*write, lease.id(), digest);
    write.commit();
  }
  return check_file(std::move(info));
}

std::optional<BlobInfo> ContentStore::find_blob(const oci::Digest& digest) {
  return check_file(blob_table::find(*database_.read(), digest));
}

std::optional<BlobInfo> ContentStore::find_layer(const oci::DiffID& diff_id, const Lease& lease) {
  for (const oci::Digest& digest : blob_table::list_layers(*database_.read(), diff_id))
    if (auto info = find_blob(digest, lease)) return info;
  return std::nullopt;
}

std::optional<BlobInfo> ContentStore::describe_layer(const oci::Digest& digest, const std::stop_token& stop) {
  constexpr std::size_t kBlockBytes = 256 * 1024;
  base::FileSource file(open_blob(digest), layout_.blob(digest));
  ContentVerifier verifier(digest.algorithm(), BlobKind::kLayer);
  std::vector<std::byte> buffer(kBlockBytes);
  while (const std::size_t count = file.read(buffer)) {
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
    verifier.update(base::Bytes(buffer).first(count));
  }
  if (verifier.finish() != digest) {
    logger_.warn("a blob's file is missing or damaged", {{"digest", digest.to_string()}});
    return std::nullopt;
  }
  const BlobInfo info{digest, verifier.size_bytes(), verifier.finish_layer()};
  auto write = database_.write();
  blob_table::insert(*write, info, base::now());
  write.commit();
  return info;
}

std::unique_ptr<BlobWriter> ContentStore::start_blob(const Lease& lease, oci::DigestAlgorithm algorithm,
                                                     BlobKind kind) {
  return std::unique_ptr<BlobWriter>(new BlobWriter(*this, lease.id(), algorithm, kind));
}

void ContentStore::put_blob(const oci::Descriptor& descriptor, std::string_view bytes, const Lease& lease) {
  const auto writer = start_blob(lease, descriptor.digest.algorithm(), BlobKind::kPlain);
  writer->write(base::as_bytes(bytes));
  writer->commit(descriptor);
}

base::UniqueFd ContentStore::open_blob(const oci::Digest& digest) const {
  return base::open_file(layout_.blob(digest), O_RDONLY);
}

std::string ContentStore::read_blob(const oci::Digest& digest, std::size_t limit_bytes) const {
  std::string bytes = base::read_file(layout_.blob(digest), limit_bytes);
  if (oci::digest_of(base::as_bytes(bytes), digest.algorithm()) != digest)
    throw Error(ErrorCode::kDataLoss, "stored content of " + digest.to_string() + " is damaged");
  return bytes;
}

std::vector<std::string> ContentStore::list_sources(const oci::Digest& digest, const std::string& registry) {
  auto read = database_.read();
  return blob_table::list_sources(*read, digest, registry);
}

std::vector<BlobSource> ContentStore::list_sources(const oci::Digest& digest) {
  return blob_table::list_sources(*database_.read(), digest);
}

void ContentStore::add_source(const std::vector<oci::Digest>& digests, const BlobSource& source) {
  auto write = database_.write();
  for (const auto& digest : digests) blob_table::add_source(*write, digest, source, base::now());
  write.commit();
}

std::int64_t ContentStore::remove_files(const std::vector<oci::Digest>& digests) {
  std::int64_t freed_bytes = 0;
  for (const auto& digest : digests) {
    const std::lock_guard guard(lock_of(digest));
    freed_bytes += remove_if_unknown(digest);
  }
  return freed_bytes;
}

std::int64_t ContentStore::remove_if_unknown(const oci::Digest& digest) noexcept {
  try {
    if (!blob_table::find(*database_.read(), digest)) return remove_file(layout_.blob(digest), logger_);
  } catch (const std::exception& error) {  // the next start removes it
    logger_.warn("cannot look for a blob", {{"error", error.what()}});
  }
  return 0;
}

std::int64_t ContentStore::find_partial_bytes(const oci::Descriptor& descriptor, const std::stop_token& stop) const {
  // As open_partial() does: what cannot be written to it does not take.
  const base::UniqueFd data(
      ::open(layout_.partial(descriptor.digest).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!data) return 0;
  const PartialMap map(layout_.partial_map(descriptor.digest), descriptor.size_bytes);
  return map.peek(data.get(), stop).total_bytes();
}

std::int64_t ContentStore::free_bytes() const {
  struct statvfs disk {};
  if (::statvfs(layout_.root().c_str(), &disk) != 0) throw base::errno_error(errno, layout_.root().string());
  return static_cast<std::int64_t>(disk.f_bavail * disk.f_frsize);
}

std::unique_ptr<PartialBlob> ContentStore::open_partial(const Lease& lease, const oci::Descriptor& descriptor,
                                                        BlobKind kind, const std::stop_token& stop) {
  if (descriptor.size_bytes < 0) throw Error(ErrorCode::kInvalidArgument, "a blob's size is negative");
  {
    auto open = open_partials_.lock();
    if (!open.wait(partial_closed_, stop, [&] { return !open->contains(descriptor.digest); }))
      throw Error(ErrorCode::kCancelled, "context canceled");
    open->insert(descriptor.digest);
  }
  try {
    return std::unique_ptr<PartialBlob>(new PartialBlob(*this, lease.id(), descriptor, kind, stop));
  } catch (...) {
    close_partial(descriptor.digest);
    throw;
  }
}

void ContentStore::close_partial(const oci::Digest& digest) noexcept {
  open_partials_.lock()->erase(digest);
  partial_closed_.notify_all();
}

}  // namespace lighterd::imagestore
