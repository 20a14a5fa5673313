// SPDX-License-Identifier: Apache-2.0
// A foreign tar archive, entry after entry, as it arrives: ustar, PAX, and GNU's long names and numbers. No entry is
// ever held, and names are data: nothing here or behind it opens a path that an archive gave. It is strict where
// readers differ (security-reliability A.3/28): either all of them would list the same entries, or it refuses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/stream.hpp"
#include "imagestore/tar_header.hpp"

namespace lighterd::imagestore {

enum class TarEntryKind {
  kFile,
  kDirectory,
  kSymlink,
  kHardlink,
  kOther,  // devices, pipes, and types that nobody knows
};

struct TarEntry {
  std::string name;  // as written; may be anything
  TarEntryKind kind = TarEntryKind::kFile;
  std::string link_target = {};  // as written
  std::int64_t size_bytes = 0;   // of the data that read() gives
};

// Not thread-safe.
class TarReader final : public base::Source {
 public:
  static constexpr std::int64_t kMaxEntries = 1'000'000;

  // The source must outlive the reader.
  explicit TarReader(base::Source& source) : source_(source) {}

  // The next entry; what is left of the one before is skipped. Nothing at the end, which is two blocks of zeros or the
  // end of the source; what follows the blocks has been read then, and means nothing. kDataLoss "unexpected EOF..." for
  // what is cut off or malformed; kNotImplemented for sparse files; kInvalidArgument beyond kMaxEntries.
  std::optional<TarEntry> next();

  // The data of the entry that next() gave.
  std::size_t read(std::span<std::byte> buffer) override;

 private:
  // What an entry's extension headers said of it.
  struct Extension {
    std::optional<std::string> long_name;
    std::optional<std::string> long_link;
    std::optional<PaxRecords> pax;
    bool is_empty() const { return !long_name && !long_link && !pax; }
  };

  std::optional<TarHeader> next_header();
  bool read_block(std::span<std::byte> block);
  bool extend(const TarHeader& header, Extension& extension);
  std::string read_extension(const TarHeader& header, std::size_t limit_bytes);
  std::string read_long_name(const TarHeader& header);
  void start_data(std::int64_t size_bytes);
  void skip_data();
  void skip(std::int64_t bytes);
  void drain();

  base::Source& source_;
  std::int64_t entries_ = 0;
  std::int64_t left_bytes_ = 0;     // of the entry's data
  std::int64_t padding_bytes_ = 0;  // behind it
};

}  // namespace lighterd::imagestore
