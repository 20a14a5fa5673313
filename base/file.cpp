// SPDX-License-Identifier: Apache-2.0
#include "base/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/error.hpp"

namespace lighterd::base {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int UniqueFd::release() noexcept {
  return std::exchange(fd_, -1);
}

void UniqueFd::reset() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

UniqueFd open_file(const std::filesystem::path& path, int flags, unsigned mode) {
  for (;;) {
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode));
    if (fd) return fd;
    if (errno != EINTR) throw errno_error(errno, "open " + path.string());
  }
}

void write_all(int fd, Bytes data, const std::filesystem::path& path_for_errors) {
  while (!data.empty()) {
    const ssize_t count = ::write(fd, data.data(), data.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      throw errno_error(errno, "write " + path_for_errors.string());
    }
    data = data.subspan(static_cast<std::size_t>(count));
  }
}

void write_at(int fd, Bytes data, std::int64_t offset_bytes, const std::filesystem::path& path_for_errors) {
  while (!data.empty()) {
    const ssize_t count = ::pwrite(fd, data.data(), data.size(), offset_bytes);
    if (count < 0) {
      if (errno == EINTR) continue;
      throw errno_error(errno, "write " + path_for_errors.string());
    }
    data = data.subspan(static_cast<std::size_t>(count));
    offset_bytes += count;
  }
}

std::size_t read_at(int fd, std::span<std::byte> buffer, std::int64_t offset_bytes,
                    const std::filesystem::path& path_for_errors) {
  for (;;) {
    const ssize_t count = ::pread(fd, buffer.data(), buffer.size(), offset_bytes);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) throw errno_error(errno, "read " + path_for_errors.string());
  }
}

void start_write_back(int fd, std::int64_t& flushed_bytes, std::int64_t written_bytes) noexcept {
  constexpr std::int64_t kWriteBackBytes = 8 * 1024 * 1024;
  if (written_bytes - flushed_bytes < kWriteBackBytes) return;
  ::sync_file_range(fd, flushed_bytes, written_bytes - flushed_bytes, SYNC_FILE_RANGE_WRITE);
  flushed_bytes = written_bytes;
}

void sync_data(int fd, const std::filesystem::path& path_for_errors) {
  if (::fdatasync(fd) != 0) throw errno_error(errno, "fdatasync " + path_for_errors.string());
}

void sync_directory(const std::filesystem::path& directory) {
  const UniqueFd fd = open_file(directory, O_RDONLY | O_DIRECTORY);
  if (::fsync(fd.get()) != 0) throw errno_error(errno, "fsync " + directory.string());
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content, unsigned mode) {
  std::filesystem::path temporary = path;
  temporary += ".new";
  {
    const UniqueFd fd = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode);
    write_all(fd.get(), as_bytes(content), temporary);
    sync_data(fd.get(), temporary);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) throw errno_error(errno, "rename to " + path.string());
  sync_directory(path.parent_path());
}

std::string read_file(const std::filesystem::path& path, std::size_t limit_bytes) {
  FileSource source(open_file(path, O_RDONLY), path);
  return read_all(source, limit_bytes, path.string());
}

FileSource::FileSource(UniqueFd fd, std::filesystem::path path_for_errors)
    : fd_(std::move(fd)), path_(std::move(path_for_errors)) {}

std::size_t FileSource::read(std::span<std::byte> buffer) {
  const std::size_t count = read_at(fd_.get(), buffer, offset_bytes_, path_);
  offset_bytes_ += static_cast<std::int64_t>(count);
  return count;
}

}  // namespace lighterd::base
