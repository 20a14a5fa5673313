// SPDX-License-Identifier: Apache-2.0
#include "cli/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"
#include "cli/exit_code.hpp"
#include "oci/digest.hpp"

namespace lighterd::cli {
namespace {

namespace fs = std::filesystem;

// What a new file has before the umask takes from it.
constexpr unsigned kNewFile = 0666;
constexpr unsigned kModeBits = 07777;
constexpr int kMaxLinks = 40;

[[noreturn]] void refuse(int errno_value, const fs::path& path) {
  throw Failure(ExitCode::kUsage, base::errno_error(errno_value, path.string()).text());
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// A link stays what it is; the file behind it is replaced, or made.
fs::path resolve(fs::path path) {
  std::error_code error;
  for (int i = 0; fs::is_symlink(fs::symlink_status(path, error)); ++i) {
    if (i == kMaxLinks) refuse(ELOOP, path);
    const fs::path target = fs::read_symlink(path, error);
    if (error) refuse(error.value(), path);
    path = folder_of(path) / target;
  }
  return path;
}

base::UniqueFd open_special(const fs::path& path) {
  base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) refuse(errno, path);
  if (::isatty(fd.get()) != 0)
    throw Failure(ExitCode::kUsage, path.string() + ": an archive is not written to a terminal");
  return fd;
}

}  // namespace

OutputFile::OutputFile(const fs::path& path) : path_(resolve(path)) {
  struct stat status {};
  const bool exists = ::stat(path_.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) refuse(EISDIR, path_);
  if (exists && !S_ISREG(status.st_mode)) {
    fd_ = open_special(path_);
    return;
  }
  // Short, whatever the file's own name is.
  const fs::path partial = folder_of(path_) / (".lighter-" + oci::random_hex(8));
  const unsigned mode = exists ? status.st_mode & kModeBits : kNewFile;
  fd_ = base::UniqueFd(::open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd_) refuse(errno, path_);
  partial_ = partial;
  if (exists) ::fchmod(fd_.get(), mode);
}

OutputFile::~OutputFile() {
  if (!partial_.empty()) ::unlink(partial_.c_str());
}

void OutputFile::write(base::Bytes data) {
  base::write_all(fd_.get(), data, path_);
  written_bytes_ += static_cast<std::int64_t>(data.size());
  if (!partial_.empty()) base::start_write_back(fd_.get(), flushed_bytes_, written_bytes_);
}

void OutputFile::commit() {
  if (partial_.empty()) return;
  base::sync_data(fd_.get(), path_);
  if (::rename(partial_.c_str(), path_.c_str()) != 0) throw base::errno_error(errno, path_.string());
  partial_.clear();
  base::sync_directory(folder_of(path_));
}

}  // namespace lighterd::cli
