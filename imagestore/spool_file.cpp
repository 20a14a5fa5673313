// SPDX-License-Identifier: Apache-2.0
#include "imagestore/spool_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "base/error.hpp"
#include "imagestore/content_store.hpp"
#include "imagestore/store_layout.hpp"

namespace lighterd::imagestore {

SpoolFile::SpoolFile(const StoreLayout& layout, base::Logger& logger)
    : logger_(logger),
      path_(layout.ingest() / oci::random_hex(16)),
      fd_(base::open_file(path_, O_WRONLY | O_CREAT | O_EXCL)) {}

SpoolFile::SpoolFile(std::filesystem::path path, base::UniqueFd fd, std::int64_t size_bytes, base::Logger& logger)
    : logger_(logger),
      path_(std::move(path)),
      fd_(std::move(fd)),
      size_bytes_(size_bytes),
      flushed_bytes_(size_bytes) {}

SpoolFile::~SpoolFile() {
  if (!is_moved_) remove_file(path_, logger_);
}

void SpoolFile::write(base::Bytes data) {
  base::write_all(fd_.get(), data, path_);
  size_bytes_ += static_cast<std::int64_t>(data.size());
  base::start_write_back(fd_.get(), flushed_bytes_, size_bytes_);
}

// The descriptor goes with the sync: an archive may have more members than a process may have files open.
void SpoolFile::sync() {
  if (!fd_) return;
  const base::UniqueFd fd = std::move(fd_);
  base::sync_data(fd.get(), path_);
  ::fchmod(fd.get(), 0400);
}

void SpoolFile::move_to(const std::filesystem::path& target) {
  if (::rename(path_.c_str(), target.c_str()) != 0) throw base::errno_error(errno, "rename to " + target.string());
  is_moved_ = true;
}

}  // namespace lighterd::imagestore
