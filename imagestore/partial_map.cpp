// SPDX-License-Identifier: Apache-2.0
#include "imagestore/partial_map.hpp"

#include <fcntl.h>
#include <isa-l/crc64.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

#include "base/error.hpp"

namespace lighterd::imagestore {
namespace {

constexpr std::uint64_t kMagic = 0x31'70'61'6d'74'68'67'6c;  // "lghtmap1"
constexpr std::size_t kMaxRecords = 4'000'000;
constexpr std::size_t kBlockBytes = 256 * 1024;

// As it stands in the file, in the machine's byte order: the map never leaves the machine.
struct Record {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::uint64_t crc = 0;
  std::uint64_t check = 0;  // of the members before

  std::uint64_t expected_check() const {
    return crc64(kMagic, std::as_bytes(std::span(this, 1)).first(offsetof(Record, check)));
  }
};
static_assert(sizeof(Record) == 32);

// The first record of a file stands for the blob: [0, size), with the magic number.
Record header_of(std::int64_t size_bytes) {
  Record header{0, size_bytes, kMagic, 0};
  header.check = header.expected_check();
  return header;
}

bool read_record(int fd, std::size_t index, Record& record) {
  const auto offset = static_cast<off_t>(index * sizeof(Record));
  return ::pread(fd, &record, sizeof record, offset) == static_cast<ssize_t>(sizeof record) &&
         record.check == record.expected_check();
}

bool holds(int fd, const Record& record, std::vector<std::byte>& buffer) {
  std::uint64_t crc = 0;
  for (std::int64_t position = record.begin; position < record.end;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::int64_t>(record.end - position, kBlockBytes));
    const ssize_t count = ::pread(fd, buffer.data(), wanted, position);
    if (count <= 0) return false;
    crc = crc64(crc, base::Bytes(buffer).first(static_cast<std::size_t>(count)));
    position += count;
  }
  return crc == record.crc;
}

}  // namespace

std::uint64_t crc64(std::uint64_t crc, base::Bytes data) {
  return crc64_ecma_refl(crc, reinterpret_cast<const unsigned char*>(data.data()), data.size());
}

PartialMap::PartialMap(std::filesystem::path path, std::int64_t size_bytes)
    : path_(std::move(path)), size_bytes_(size_bytes) {}

// Of a map file, as far as it can be read.
struct PartialMap::Contents {
  ByteRanges ranges = {};
  std::vector<Record> good = {};
  std::size_t records = 0;  // with the header; 0: it is not a map of this blob
  bool all_good = true;
};

PartialMap::Contents PartialMap::read(int map_fd, int data_fd, const std::stop_token& stop) const {
  Contents contents;
  Record record;
  std::vector<std::byte> buffer(kBlockBytes);
  if (!read_record(map_fd, 0, record) || record.crc != kMagic || record.end != size_bytes_) return contents;
  contents.records = 1;
  for (; contents.records < kMaxRecords && read_record(map_fd, contents.records, record); ++contents.records) {
    if (stop.stop_requested()) throw base::Error(base::ErrorCode::kCancelled, "context canceled");
    const bool is_sound = record.begin >= 0 && record.begin < record.end && record.end <= size_bytes_;
    if (is_sound && holds(data_fd, record, buffer)) {
      contents.ranges.add({record.begin, record.end});
      contents.good.push_back(record);
    } else {
      contents.all_good = false;
    }
  }
  return contents;
}

ByteRanges PartialMap::peek(int data_fd, const std::stop_token& stop) const {
  const base::UniqueFd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  return file ? read(file.get(), data_fd, stop).ranges : ByteRanges();
}

ByteRanges PartialMap::load(int data_fd, const std::stop_token& stop) {
  base::UniqueFd file(::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return {};
  Contents contents = read(file.get(), data_fd, stop);
  const auto end = static_cast<off_t>(contents.records * sizeof(Record));
  if (contents.records > 0 && contents.all_good && ::ftruncate(file.get(), end) == 0) {
    fd_ = std::move(file);
    return std::move(contents.ranges);
  }
  remove();
  for (const Record& each : contents.good) append({each.begin, each.end}, each.crc);
  return std::move(contents.ranges);
}

void PartialMap::create() {
  fd_ = base::open_file(path_, O_RDWR | O_CREAT | O_TRUNC);
  const Record header = header_of(size_bytes_);
  base::write_all(fd_.get(), std::as_bytes(std::span(&header, 1)), path_);
}

void PartialMap::append(ByteRange range, std::uint64_t crc) {
  if (!fd_) create();
  Record record{range.begin, range.end, crc, 0};
  record.check = record.expected_check();
  if (::lseek(fd_.get(), 0, SEEK_END) < 0) throw base::errno_error(errno, path_.string());
  base::write_all(fd_.get(), std::as_bytes(std::span(&record, 1)), path_);
}

void PartialMap::remove() noexcept {
  fd_.reset();
  ::unlink(path_.c_str());
}

}  // namespace lighterd::imagestore
