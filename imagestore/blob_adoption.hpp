// SPDX-License-Identifier: Apache-2.0
// How finished files become blobs: moved to their names, then known to the index by one transaction of the caller's.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/time.hpp"
#include "imagestore/blob_table.hpp"
#include "imagestore/spool_file.hpp"

namespace lighterd::imagestore {

class ContentStore;

// Verified: the file's bytes are what `info` says.
struct NewBlob {
  BlobInfo info;
  std::unique_ptr<SpoolFile> file;
};

// Holds the locks of its digests: one at a time in a thread, and no writing transaction may be open when it is made.
class BlobAdoption {
 public:
  // Syncs the files, moves them, and syncs the directories. Of a digest there may be one only.
  BlobAdoption(ContentStore& store, std::vector<NewBlob> blobs);
  // Without keep() nothing of what the index does not know stays.
  ~BlobAdoption();
  BlobAdoption(const BlobAdoption&) = delete;
  BlobAdoption& operator=(const BlobAdoption&) = delete;

  // Inside the transaction that makes them visible.
  void record(Database& database, base::Timestamp now) const;
  // Once that is committed.
  void keep() { is_kept_ = true; }

 private:
  void lock_digests();
  void move_files();
  void remove_moved() noexcept;

  ContentStore& store_;
  std::vector<NewBlob> blobs_;
  std::vector<std::unique_lock<std::mutex>> locks_;
  std::size_t moved_ = 0;
  bool is_kept_ = false;
};

}  // namespace lighterd::imagestore
