// SPDX-License-Identifier: Apache-2.0
// A file that has its name only when it is whole.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/file.hpp"

namespace lighterd::cli {

// Written beside `path` under a name of its own, removed again unless it is committed, with the mode of the file that
// it replaces. A link's target is written to. A path that is there and is no regular file (a pipe, /dev/null) is
// written to as it is. Throws base::Error by errno with the path; Failure kUsage if it cannot be opened, or is a
// terminal.
class OutputFile final : public base::Sink {
 public:
  explicit OutputFile(const std::filesystem::path& path);
  ~OutputFile() override;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(base::Bytes data) override;
  // On disk and under its name when this returns; in the place of a file that was there.
  void commit();
  std::int64_t size_bytes() const { return written_bytes_; }

 private:
  std::filesystem::path path_;
  std::filesystem::path partial_;  // empty: nothing to rename or remove
  base::UniqueFd fd_;
  std::int64_t written_bytes_ = 0;
  std::int64_t flushed_bytes_ = 0;
};

}  // namespace lighterd::cli
