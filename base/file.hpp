// SPDX-License-Identifier: Apache-2.0
// File descriptors and the few file operations that more than one folder needs. Everything blocks and throws
// Error by errno (base::errno_error) with the path in the text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/stream.hpp"

namespace lighterd::base {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept;
  void reset() noexcept;

 private:
  int fd_ = -1;
};

// flags and mode as in open(2); O_CLOEXEC and O_NOFOLLOW are added.
UniqueFd open_file(const std::filesystem::path& path, int flags, unsigned mode = 0600);
void write_all(int fd, Bytes data, const std::filesystem::path& path_for_errors);
void write_at(int fd, Bytes data, std::int64_t offset_bytes, const std::filesystem::path& path_for_errors);
// 0 at the end of the file.
std::size_t read_at(int fd, std::span<std::byte> buffer, std::int64_t offset_bytes,
                    const std::filesystem::path& path_for_errors);
// Starts to write back what was written from `flushed_bytes` on, once it is worth it, so that the fdatasync of a large
// file has little left to do; moves flushed_bytes. Errors are fdatasync's to report.
void start_write_back(int fd, std::int64_t& flushed_bytes, std::int64_t written_bytes) noexcept;
// Calls fdatasync once. After an error the file must be given up, never synced again (its dirty pages are lost).
void sync_data(int fd, const std::filesystem::path& path_for_errors);
void sync_directory(const std::filesystem::path& directory);
// Replaces path by content, durably: temp file beside it, fdatasync, rename, directory fsync.
void write_file_atomically(const std::filesystem::path& path, std::string_view content, unsigned mode = 0600);
// kDataLoss when larger than limit_bytes.
std::string read_file(const std::filesystem::path& path, std::size_t limit_bytes);

// Reads a descriptor from its start, with pread: several FileSources may share a descriptor's file.
class FileSource final : public Source {
 public:
  FileSource(UniqueFd fd, std::filesystem::path path_for_errors);
  std::size_t read(std::span<std::byte> buffer) override;
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  std::filesystem::path path_;
  std::int64_t offset_bytes_ = 0;
};

}  // namespace lighterd::base
