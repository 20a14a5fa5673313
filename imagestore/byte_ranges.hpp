// SPDX-License-Identifier: Apache-2.0
// Which bytes of a blob are here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace lighterd::imagestore {

// [begin, end), in bytes.
struct ByteRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  std::int64_t size_bytes() const { return end - begin; }
  bool operator==(const ByteRange&) const = default;
};

// Kept apart and sorted; ranges that touch or overlap become one. Not thread-safe.
class ByteRanges {
 public:
  void add(ByteRange range);
  std::int64_t total_bytes() const { return total_bytes_; }
  // Where the run of present bytes that `position` is in ends; `position` itself if it is missing.
  std::int64_t end_of_run(std::int64_t position) const;
  // The first missing bytes at or after `from` and before `end`.
  std::optional<ByteRange> find_gap(std::int64_t from, std::int64_t end) const;

 private:
  std::map<std::int64_t, std::int64_t> ends_;  // by begin
  std::int64_t total_bytes_ = 0;
};

}  // namespace lighterd::imagestore
