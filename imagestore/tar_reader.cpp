// SPDX-License-Identifier: Apache-2.0
#include "imagestore/tar_reader.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"

namespace lighterd::imagestore {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kMaxPaxBytes = std::size_t{1024} * 1024;
constexpr std::size_t kSkipBytes = std::size_t{64} * 1024;

[[noreturn]] void throw_truncated() {
  throw Error(ErrorCode::kDataLoss, "unexpected EOF");
}

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kDataLoss, "unexpected EOF: invalid tar archive: " + why);
}

TarEntryKind kind_of(char type) {
  switch (type) {
    case '0':
    case '7':  // contiguous: a file to everybody
      return TarEntryKind::kFile;
    case '1':
      return TarEntryKind::kHardlink;
    case '2':
      return TarEntryKind::kSymlink;
    case '5':
      return TarEntryKind::kDirectory;
    default:
      return TarEntryKind::kOther;
  }
}

// Whether data follows a header of that type: readers differ once such a header claims a size.
bool is_header_only(char type) {
  return type >= '1' && type <= '6';
}

void refuse_special(char type) {
  // A part of a file on another volume, names of old GNU tars, PAX headers of Solaris.
  if (type == 'M' || type == 'N' || type == 'X') refuse("entry type " + std::string(1, type));
}

// The PAX header wins over the block, and next to a long name there is none that all readers prefer.
TarEntry merge(const TarHeader& header, std::optional<std::string> long_name, std::optional<std::string> long_link,
               std::optional<PaxRecords> pax) {
  TarEntry entry{.name = header.name, .kind = kind_of(header.type), .link_target = header.link_target};
  entry.size_bytes = header.size_bytes;
  if (pax) {
    if ((pax->path && long_name) || (pax->link_path && long_link)) refuse("an entry has two long names");
    if (pax->path) entry.name = *pax->path;
    if (pax->link_path) entry.link_target = *pax->link_path;
    entry.size_bytes = pax->size_bytes.value_or(header.size_bytes);
  }
  if (long_name) entry.name = *std::move(long_name);
  if (long_link) entry.link_target = *std::move(long_link);
  if (entry.kind == TarEntryKind::kFile && entry.name.ends_with('/')) {
    if (entry.size_bytes != 0) refuse("a folder has data");
    entry.kind = TarEntryKind::kDirectory;
  }
  if (is_header_only(header.type) && entry.size_bytes != 0) refuse("an entry that has no data claims to have some");
  return entry;
}

}  // namespace

std::optional<TarEntry> TarReader::next() {
  skip_data();
  Extension extension;
  for (;;) {
    const auto header = next_header();
    if (!header) {
      if (!extension.is_empty()) throw_truncated();
      return std::nullopt;
    }
    if (extend(*header, extension)) continue;
    refuse_special(header->type);
    TarEntry entry =
        merge(*header, std::move(extension.long_name), std::move(extension.long_link), std::move(extension.pax));
    start_data(entry.size_bytes);
    return entry;
  }
}

std::optional<TarHeader> TarReader::next_header() {
  std::array<std::byte, kTarBlockBytes> block;
  if (!read_block(block)) return std::nullopt;
  if (is_zero_block(block)) {
    // Some readers stop at one such block, others go on behind it.
    if (read_block(block) && !is_zero_block(block)) refuse("something follows a single block of zeros");
    drain();
    return std::nullopt;
  }
  if (++entries_ > kMaxEntries)
    throw Error(ErrorCode::kInvalidArgument, "archive has more than " + std::to_string(kMaxEntries) + " entries");
  return parse_tar_header(block);
}

// False at the end of the source.
bool TarReader::read_block(std::span<std::byte> block) {
  std::size_t used = 0;
  while (used < block.size()) {
    const std::size_t count = source_.read(block.subspan(used));
    if (count == 0 && used == 0) return false;
    if (count == 0) throw_truncated();
    used += count;
  }
  return true;
}

// Whether the header was one that says something of the next entry, or of all.
bool TarReader::extend(const TarHeader& header, Extension& extension) {
  const auto set = [](auto& target, auto value) {
    if (target) refuse("two headers extend the same entry");
    target = std::move(value);
  };
  switch (header.type) {
    case 'x':
      set(extension.pax, parse_pax_records(read_extension(header, kMaxPaxBytes)));
      return true;
    case 'L':
      set(extension.long_name, read_long_name(header));
      return true;
    case 'K':
      set(extension.long_link, read_long_name(header));
      return true;
    case 'g': {
      const PaxRecords global = parse_pax_records(read_extension(header, kMaxPaxBytes));
      if (global.path || global.link_path || global.size_bytes) refuse("a global header names entries");
      return true;
    }
    default:
      return false;
  }
}

std::string TarReader::read_extension(const TarHeader& header, std::size_t limit_bytes) {
  if (header.size_bytes > static_cast<std::int64_t>(limit_bytes)) refuse("an extension header is too large");
  start_data(header.size_bytes);
  std::string text = base::read_all(*this, limit_bytes, "extension header");
  skip_data();
  return text;
}

// With a NUL at its end.
std::string TarReader::read_long_name(const TarHeader& header) {
  std::string name = read_extension(header, kMaxTarNameBytes + 1);
  name.resize(std::min(name.find('\0'), name.size()));
  if (name.empty() || name.size() > kMaxTarNameBytes) refuse("a long name is empty or too long");
  return name;
}

void TarReader::start_data(std::int64_t size_bytes) {
  constexpr std::int64_t kBlock = kTarBlockBytes;
  left_bytes_ = size_bytes;
  padding_bytes_ = (kBlock - size_bytes % kBlock) % kBlock;
}

std::size_t TarReader::read(std::span<std::byte> buffer) {
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), static_cast<std::uint64_t>(left_bytes_)));
  if (wanted == 0) return 0;
  const std::size_t count = source_.read(buffer.first(wanted));
  if (count == 0) throw_truncated();
  left_bytes_ -= static_cast<std::int64_t>(count);
  return count;
}

void TarReader::skip_data() {
  skip(std::exchange(left_bytes_, 0));
  skip(std::exchange(padding_bytes_, 0));
}

void TarReader::skip(std::int64_t bytes) {
  std::array<std::byte, kSkipBytes> scratch;
  while (bytes > 0) {
    const auto wanted = static_cast<std::size_t>(std::min<std::int64_t>(bytes, kSkipBytes));
    const std::size_t count = source_.read(std::span(scratch).first(wanted));
    if (count == 0) throw_truncated();
    bytes -= static_cast<std::int64_t>(count);
  }
}

void TarReader::drain() {
  std::array<std::byte, kSkipBytes> scratch;
  while (source_.read(scratch) != 0) continue;
}

}  // namespace lighterd::imagestore
