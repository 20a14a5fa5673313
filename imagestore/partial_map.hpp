// SPDX-License-Identifier: Apache-2.0
// The record of which bytes of an unfinished blob arrived, on disk beside them: each range with a checksum, so that
// after a crash or a power cut what was torn is told from what is whole. The checksum guards against accidents; what
// the bytes are worth is settled by the blob's digest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>

#include "base/file.hpp"
#include "base/stream.hpp"
#include "imagestore/byte_ranges.hpp"

namespace lighterd::imagestore {

// CRC-64 (ECMA, reflected), continued from `crc`; 0 at the start.
std::uint64_t crc64(std::uint64_t crc, base::Bytes data);

// Append-only. Not thread-safe.
class PartialMap {
 public:
  // Made with the first record. `size_bytes` is the whole blob's: a map of another size is not read.
  PartialMap(std::filesystem::path path, std::int64_t size_bytes);

  // The ranges recorded earlier whose bytes in `data_fd` still have their checksum. Ends at the first record that is
  // torn; what does not hold is taken out of the map. Reads all of the data recorded: blocks; kCancelled.
  ByteRanges load(int data_fd, const std::stop_token& stop);

  // What load() would return, changing nothing: also while somebody else appends.
  ByteRanges peek(int data_fd, const std::stop_token& stop) const;

  // Not synced: a record that a power cut loses costs a range, one that it keeps without the data is found by load().
  void append(ByteRange range, std::uint64_t crc);
  bool exists() const { return static_cast<bool>(fd_); }
  void remove() noexcept;

 private:
  struct Contents;
  Contents read(int map_fd, int data_fd, const std::stop_token& stop) const;
  void create();

  std::filesystem::path path_;
  std::int64_t size_bytes_;
  base::UniqueFd fd_;
};

}  // namespace lighterd::imagestore
