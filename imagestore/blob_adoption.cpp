// SPDX-License-Identifier: Apache-2.0
#include "imagestore/blob_adoption.hpp"

#include <algorithm>
#include <set>

#include "imagestore/content_store.hpp"

namespace lighterd::imagestore {

BlobAdoption::BlobAdoption(ContentStore& store, std::vector<NewBlob> blobs) : store_(store), blobs_(std::move(blobs)) {
  for (const NewBlob& blob : blobs_) blob.file->sync();
  lock_digests();
  try {
    move_files();
  } catch (...) {
    remove_moved();
    throw;
  }
}

BlobAdoption::~BlobAdoption() {
  if (!is_kept_) remove_moved();
}

// In the order of their addresses, which is the same for everybody.
void BlobAdoption::lock_digests() {
  std::set<std::mutex*> mutexes;
  for (const NewBlob& blob : blobs_) mutexes.insert(&store_.lock_of(blob.info.digest));
  for (std::mutex* mutex : mutexes) locks_.emplace_back(*mutex);
}

void BlobAdoption::move_files() {
  std::set<std::filesystem::path> folders;
  for (const NewBlob& blob : blobs_) {
    const std::filesystem::path target = store_.blob_path(blob.info.digest);
    blob.file->move_to(target);
    ++moved_;
    folders.insert(target.parent_path());
  }
  for (const auto& folder : folders) base::sync_directory(folder);
}

// A full disk must not be filled by what nobody knows of. A row from before stands for the same bytes.
void BlobAdoption::remove_moved() noexcept {
  for (std::size_t i = 0; i < moved_; ++i) store_.remove_if_unknown(blobs_[i].info.digest);
}

void BlobAdoption::record(Database& database, base::Timestamp now) const {
  for (const NewBlob& blob : blobs_) blob_table::insert(database, blob.info, now);
}

}  // namespace lighterd::imagestore
