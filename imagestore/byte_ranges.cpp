// SPDX-License-Identifier: Apache-2.0
#include "imagestore/byte_ranges.hpp"

#include <algorithm>
#include <iterator>

namespace lighterd::imagestore {

void ByteRanges::add(ByteRange range) {
  if (range.begin >= range.end) return;
  auto next = ends_.upper_bound(range.begin);
  if (next != ends_.begin() && std::prev(next)->second >= range.begin) --next;
  while (next != ends_.end() && next->first <= range.end) {
    range.begin = std::min(range.begin, next->first);
    range.end = std::max(range.end, next->second);
    total_bytes_ -= next->second - next->first;
    next = ends_.erase(next);
  }
  ends_.emplace(range.begin, range.end);
  total_bytes_ += range.size_bytes();
}

std::int64_t ByteRanges::end_of_run(std::int64_t position) const {
  const auto next = ends_.upper_bound(position);
  return next == ends_.begin() ? position : std::max(position, std::prev(next)->second);
}

std::optional<ByteRange> ByteRanges::find_gap(std::int64_t from, std::int64_t end) const {
  const std::int64_t begin = end_of_run(from);
  if (begin >= end) return std::nullopt;
  const auto next = ends_.lower_bound(begin);
  return ByteRange{begin, next == ends_.end() ? end : std::min(end, next->first)};
}

}  // namespace lighterd::imagestore
