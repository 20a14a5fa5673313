// SPDX-License-Identifier: Apache-2.0
#include "imagestore/tar_writer.hpp"

#include <array>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "imagestore/tar_fields.hpp"

namespace lighterd::imagestore {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::int64_t kMaxOctalSize = (std::int64_t{1} << 33) - 1;  // eleven digits
constexpr std::size_t kJoinedBytes = std::size_t{16} * 1024;

class Header {
 public:
  void set_text(const tar::Field& field, std::string_view text) {
    text.copy(block_.data() + field.offset, field.bytes);
  }

  void set_octal(const tar::Field& field, std::int64_t value) { set_digits(field.offset, field.bytes - 1, value); }

  // The sum of the bytes with the field itself as spaces.
  void set_checksum() {
    set_text(tar::kChecksum, "        ");
    unsigned sum = 0;
    for (const char c : block_) sum += static_cast<unsigned char>(c);
    set_digits(tar::kChecksum.offset, tar::kChecksum.bytes - 2, sum);
    block_[tar::kChecksum.offset + tar::kChecksum.bytes - 2] = '\0';
  }

  std::string_view text() const { return {block_.data(), block_.size()}; }

 private:
  void set_digits(std::size_t offset, std::size_t count, std::int64_t value) {
    for (std::size_t i = count; i-- > 0; value /= 8) block_[offset + i] = static_cast<char>('0' + value % 8);
  }

  std::array<char, tar::kBlockBytes> block_{};
};

struct SplitName {
  std::string_view prefix;
  std::string_view name;
};

std::optional<SplitName> split_name(std::string_view name) {
  if (name.size() <= tar::kName.bytes) return SplitName{{}, name};
  for (std::size_t slash = name.find('/'); slash < name.size() - 1; slash = name.find('/', slash + 1))
    if (slash <= tar::kPrefix.bytes && name.size() - slash - 1 <= tar::kName.bytes)
      return SplitName{name.substr(0, slash), name.substr(slash + 1)};
  return std::nullopt;
}

// "<length> <key>=<value>\n", where the length counts itself.
std::string pax_record(std::string_view key, std::string_view value) {
  const std::string rest = " " + std::string(key) + "=" + std::string(value) + "\n";
  std::size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return std::to_string(length) + rest;
}

std::size_t padding_of(std::int64_t bytes) {
  return (tar::kBlockBytes - static_cast<std::size_t>(bytes) % tar::kBlockBytes) % tar::kBlockBytes;
}

}  // namespace

void TarWriter::add_directory(std::string_view name, unsigned mode) {
  const std::string full = std::string(name) + (name.ends_with('/') ? "" : "/");
  start_member({full, MemberType::kDirectory, mode, 0});
}

void TarWriter::add_file(std::string_view name, unsigned mode, std::string_view content) {
  start_file(name, mode, static_cast<std::int64_t>(content.size()));
  write(base::as_bytes(content));
}

void TarWriter::start_file(std::string_view name, unsigned mode, std::int64_t size_bytes) {
  start_member({name, MemberType::kFile, mode, size_bytes});
}

void TarWriter::start_member(const Member& member) {
  if (left_bytes_ != 0) throw Error(ErrorCode::kInternal, "a tar member is shorter than announced");
  std::string records;
  if (!split_name(member.name)) records += pax_record("path", member.name);
  if (member.size_bytes > kMaxOctalSize) records += pax_record("size", std::to_string(member.size_bytes));
  if (!records.empty()) add_pax_records(member, records);
  add_header(member);
  left_bytes_ = member.size_bytes;
}

void TarWriter::add_pax_records(const Member& member, std::string_view records) {
  const std::string name = "PaxHeaders.0/" + std::string(member.name.substr(member.name.rfind('/') + 1, 64));
  add_header({name, MemberType::kPax, 0644, static_cast<std::int64_t>(records.size())});
  emit(base::as_bytes(records));
  pad();
}

void TarWriter::add_header(const Member& member) {
  Header header;
  // Where the PAX records have the whole name, this one is for readers that know none.
  const SplitName split = split_name(member.name).value_or(SplitName{{}, member.name.substr(0, tar::kName.bytes)});
  header.set_text(tar::kName, split.name);
  header.set_text(tar::kPrefix, split.prefix);
  header.set_octal(tar::kMode, member.mode);
  for (const tar::Field& zero : {tar::kOwner, tar::kGroup, tar::kTime, tar::kMajor, tar::kMinor})
    header.set_octal(zero, 0);
  header.set_octal(tar::kSize, member.size_bytes > kMaxOctalSize ? 0 : member.size_bytes);
  const char type = static_cast<char>(member.type);
  header.set_text(tar::kType, {&type, 1});
  header.set_text(tar::kMagic, std::string_view("ustar\00000", 8));
  header.set_checksum();
  emit(base::as_bytes(header.text()));
}

void TarWriter::write(base::Bytes content) {
  if (static_cast<std::int64_t>(content.size()) > left_bytes_)
    throw Error(ErrorCode::kInternal, "a tar member is longer than announced");
  emit(content);
  left_bytes_ -= static_cast<std::int64_t>(content.size());
  if (left_bytes_ == 0) pad();
}

void TarWriter::finish() {
  if (left_bytes_ != 0) throw Error(ErrorCode::kInternal, "a tar member is shorter than announced");
  const std::string end(2 * tar::kBlockBytes, '\0');
  emit(base::as_bytes(end));
  flush();
}

void TarWriter::pad() {
  const std::string zeros(padding_of(written_bytes_), '\0');
  emit(base::as_bytes(zeros));
}

void TarWriter::emit(base::Bytes bytes) {
  written_bytes_ += static_cast<std::int64_t>(bytes.size());
  if (bytes.size() <= kJoinedBytes) pending_ += base::as_text(bytes);
  if (bytes.size() > kJoinedBytes || pending_.size() >= kJoinedBytes) flush();
  if (bytes.size() > kJoinedBytes) sink_.write(bytes);
}

void TarWriter::flush() {
  if (pending_.empty()) return;
  sink_.write(base::as_bytes(pending_));
  pending_.clear();
}

}  // namespace lighterd::imagestore
