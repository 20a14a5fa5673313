// SPDX-License-Identifier: Apache-2.0
// A file in ingest/ that grows until it is known what it is.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/file.hpp"
#include "base/log.hpp"

namespace lighterd::imagestore {

class StoreLayout;

// Not thread-safe. Removed when it goes, unless it was moved among the blobs. Layout and logger must outlive it.
class SpoolFile final : public base::Sink {
 public:
  SpoolFile(const StoreLayout& layout, base::Logger& logger);
  // Takes over a file of ingest/ that is there already and has that size; `fd` is open for writing.
  SpoolFile(std::filesystem::path path, base::UniqueFd fd, std::int64_t size_bytes, base::Logger& logger);
  ~SpoolFile() override;
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  void write(base::Bytes data) override;
  std::int64_t size_bytes() const { return size_bytes_; }
  const std::filesystem::path& path() const { return path_; }

  // Durable; nothing can be written any more. Does nothing when repeated. After an error the file must be given up.
  void sync();
  // Synced before: takes the name `target`, which it replaces, and is never changed again.
  void move_to(const std::filesystem::path& target);

 private:
  base::Logger& logger_;
  std::filesystem::path path_;
  base::UniqueFd fd_;
  std::int64_t size_bytes_ = 0;
  std::int64_t flushed_bytes_ = 0;
  bool is_moved_ = false;
};

}  // namespace lighterd::imagestore
