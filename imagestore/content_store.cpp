// SPDX-License-Identifier: Apache-2.0
#include "imagestore/content_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <unordered_set>

#include "base/error.hpp"
#include "imagestore/layer_archive.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

namespace {

// Written back while more arrives, so that the fdatasync of a large layer has little left to do.
constexpr std::int64_t kWriteBackBytes = 8 * 1024 * 1024;
constexpr std::chrono::hours kRemovalInterval{1};

void remove_file(const std::filesystem::path& path, base::Logger& logger) noexcept {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    logger.warn("cannot remove a file of the store", {{"path", path.string()}, {"errno", std::to_string(errno)}});
}

}  // namespace

Lease::Lease(Lease&& other) noexcept : store_(std::exchange(other.store_, nullptr)), id_(std::move(other.id_)) {}

Lease::~Lease() {
  if (store_ != nullptr) store_->drop_lease(id_);
}

BlobWriter::BlobWriter(ContentStore& store, std::string lease_id, oci::DigestAlgorithm algorithm, Kind kind)
    : store_(store),
      lease_id_(std::move(lease_id)),
      path_(store.layout_.ingest() / oci::random_hex(16)),
      fd_(base::open_file(path_, O_WRONLY | O_CREAT | O_EXCL)),
      hasher_(algorithm),
      layer_(kind == Kind::kLayer ? std::make_unique<LayerDigester>() : nullptr),
      kind_(kind) {}

BlobWriter::~BlobWriter() {
  if (fd_) remove_file(path_, store_.logger_);
}

void BlobWriter::write(base::Bytes data) {
  base::write_all(fd_.get(), data, path_);
  hasher_.update(data);
  size_bytes_ += static_cast<std::int64_t>(data.size());
  if (size_bytes_ - flushed_bytes_ >= kWriteBackBytes) {
    // Only starts the write-back; errors are fdatasync's to report.
    ::sync_file_range(fd_.get(), flushed_bytes_, size_bytes_ - flushed_bytes_, SYNC_FILE_RANGE_WRITE);
    flushed_bytes_ = size_bytes_;
  }
  if (!layer_ || layer_error_) return;
  try {
    layer_->write(data);
  } catch (const Error& error) {
    layer_error_ = error;
  }
}

void BlobWriter::check(const oci::Descriptor& expected) {
  const oci::Digest digest = hasher_.finish();
  if (digest == expected.digest && size_bytes_ == expected.size_bytes) return;
  if (digest == expected.digest) require_size(expected, size_bytes_);
  throw Error(ErrorCode::kDataLoss, (kind_ == Kind::kLayer ? "filesystem layer verification failed for digest "
                                                           : "content verification failed for digest ") +
                                        expected.digest.to_string());
}

std::optional<LayerContent> BlobWriter::finish_layer(const std::stop_token& stop) {
  if (!layer_) return std::nullopt;
  if (layer_error_) throw *layer_error_;
  auto content = layer_->finish();
  return content ? content : diff_id_of_file(path_, {}, stop);
}

void BlobWriter::record(const BlobInfo& info) {
  base::sync_directory(store_.layout_.blob(info.digest).parent_path());
  auto write = store_.database_.write();
  blob_table::insert(*write, info, base::now());
  blob_table::lease(*write, lease_id_, info.digest);
  write.commit();
}

BlobInfo BlobWriter::commit(const oci::Descriptor& expected, const std::stop_token& stop) {
  check(expected);
  const std::optional<LayerContent> layer = finish_layer(stop);
  BlobInfo info{expected.digest, size_bytes_, layer};
  ::fchmod(fd_.get(), 0400);
  base::sync_data(fd_.get(), path_);
  const std::lock_guard guard(store_.lock_of(info.digest));
  const std::filesystem::path target = store_.layout_.blob(info.digest);
  if (::rename(path_.c_str(), target.c_str()) != 0) throw base::errno_error(errno, "rename to " + target.string());
  fd_.reset();
  try {
    record(info);
  } catch (...) {
    // A full disk must not be filled by what nobody knows of. A row from before stands for the same bytes.
    store_.remove_if_unknown(info.digest);
    throw;
  }
  return info;
}

ContentStore::ContentStore(const StoreLayout& layout, MetadataDb& database, base::Logger& logger,
                           std::chrono::hours keep_unreferenced)
    : layout_(layout), database_(database), logger_(logger), keep_unreferenced_(keep_unreferenced) {
  remove_leftovers();
  remove_unreferenced_if_due();
}

void ContentStore::remove_unreferenced_if_due() {
  const auto now = std::chrono::steady_clock::now();
  auto due = next_removal_.load();
  if (now < due || !next_removal_.compare_exchange_strong(due, now + kRemovalInterval)) return;
  remove_unreferenced(base::now() - keep_unreferenced_);
}

void ContentStore::remove_leftovers() {
  for (const auto& entry : std::filesystem::directory_iterator(layout_.ingest())) remove_file(entry.path(), logger_);
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

void ContentStore::remove_unreferenced(base::Timestamp before) {
  constexpr std::int64_t kBatch = 256;
  const auto remove_rows = [&] {
    std::vector<oci::Digest> removed;
    std::int64_t freed_bytes = 0;
    auto write = database_.write();
    for (const auto& root : blob_table::list_unreferenced(*write, before, kBatch))
      for (auto& digest : blob_table::remove_unreferenced(*write, root, freed_bytes))
        removed.push_back(std::move(digest));
    write.commit();
    if (!removed.empty())
      logger_.info("removed content that nothing needs",
                   {{"blobs", std::to_string(removed.size())}, {"bytes", std::to_string(freed_bytes)}});
    return removed;
  };
  for (auto removed = remove_rows(); !removed.empty(); removed = remove_rows()) remove_files(removed);
}

std::mutex& ContentStore::lock_of(const oci::Digest& digest) {
  return digest_locks_[std::hash<oci::Digest>()(digest) % digest_locks_.size()];
}

Lease ContentStore::make_lease(const std::string& operation) {
  remove_unreferenced_if_due();
  Lease lease(*this, oci::random_hex(16));
  auto write = database_.write(MetadataDb::Durability::kThisRun);
  blob_table::insert_lease(*write, lease.id(), operation, base::now());
  write.commit();
  return lease;
}

void ContentStore::drop_lease(const std::string& id) noexcept {
  try {
    auto write = database_.write(MetadataDb::Durability::kThisRun);
    blob_table::remove_lease(*write, id);
    write.commit();
  } catch (const std::exception& error) {  // dropped at the next start then
    logger_.warn("cannot drop a lease", {{"error", error.what()}});
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

std::unique_ptr<BlobWriter> ContentStore::start_blob(const Lease& lease, oci::DigestAlgorithm algorithm,
                                                     BlobWriter::Kind kind) {
  return std::unique_ptr<BlobWriter>(new BlobWriter(*this, lease.id(), algorithm, kind));
}

void ContentStore::put_blob(const oci::Descriptor& descriptor, std::string_view bytes, const Lease& lease) {
  const auto writer = start_blob(lease, descriptor.digest.algorithm(), BlobWriter::Kind::kPlain);
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

void ContentStore::add_source(const std::vector<oci::Digest>& digests, const BlobSource& source) {
  auto write = database_.write();
  for (const auto& digest : digests) blob_table::add_source(*write, digest, source, base::now());
  write.commit();
}

void ContentStore::remove_files(const std::vector<oci::Digest>& digests) {
  for (const auto& digest : digests) {
    const std::lock_guard guard(lock_of(digest));
    remove_if_unknown(digest);
  }
}

void ContentStore::remove_if_unknown(const oci::Digest& digest) noexcept {
  try {
    if (!blob_table::find(*database_.read(), digest)) remove_file(layout_.blob(digest), logger_);
  } catch (const std::exception& error) {  // the next start removes it
    logger_.warn("cannot look for a blob", {{"error", error.what()}});
  }
}

void require_size(const oci::Descriptor& claimed, std::int64_t size_bytes) {
  if (claimed.size_bytes == size_bytes) return;
  throw Error(ErrorCode::kDataLoss, "size of " + claimed.digest.to_string() + " is " + std::to_string(size_bytes) +
                                        " bytes, not " + std::to_string(claimed.size_bytes));
}

}  // namespace lighterd::imagestore
