// SPDX-License-Identifier: Apache-2.0
#include "cli/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/error.hpp"
#include "cli/exit_code.hpp"

namespace lighterd::cli {
namespace {

namespace fs = std::filesystem;

// A link stays what it is; the file behind it is replaced.
fs::path resolve(const fs::path& path) {
  std::error_code error;
  const fs::path resolved = fs::canonical(path, error);
  return error ? path : resolved;
}

[[noreturn]] void refuse(int errno_value, const fs::path& path) {
  throw Failure(ExitCode::kUsage, base::errno_error(errno_value, path.string()).text());
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

}  // namespace

OutputFile::OutputFile(const fs::path& path) : path_(resolve(path)) {
  std::error_code error;
  const fs::file_status status = fs::status(path_, error);
  if (fs::is_directory(status)) refuse(EISDIR, path_);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    fd_ = base::UniqueFd(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd_) refuse(errno, path_);
    return;
  }
  std::string name = (folder_of(path_) / ("." + path_.filename().string() + ".XXXXXX")).string();
  fd_ = base::UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd_) refuse(errno, path_);
  partial_ = name;
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
