// SPDX-License-Identifier: Apache-2.0
#include "imagestore/tar_header.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "imagestore/tar_fields.hpp"

namespace lighterd::imagestore {
namespace {

using base::Error;
using base::ErrorCode;

[[noreturn]] void refuse_header(const std::string& why) {
  // Docker's word for what is no archive comes first.
  throw Error(ErrorCode::kDataLoss, "unexpected EOF: invalid tar header: " + why);
}

[[noreturn]] void refuse_pax(const std::string& why) {
  throw Error(ErrorCode::kDataLoss, "unexpected EOF: invalid PAX header: " + why);
}

std::string_view field(std::string_view block, const tar::Field& field) {
  return block.substr(field.offset, field.bytes);
}

std::string text_field(std::string_view block, const tar::Field& of) {
  const std::string_view bytes = field(block, of);
  return std::string(bytes.substr(0, bytes.find('\0')));
}

bool is_empty(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

// GNU: a set first bit, then a big-endian number.
std::int64_t parse_base256(std::string_view bytes) {
  if (bytes[0] != '\x80') refuse_header("negative or huge number");
  std::uint64_t value = 0;
  for (const char c : bytes.substr(1)) {
    if (value > (std::uint64_t{INT64_MAX} >> 8)) refuse_header("number out of range");
    value = value << 8 | static_cast<unsigned char>(c);
  }
  return static_cast<std::int64_t>(value);
}

// Blanks, digits, then nothing but NULs and blanks; a field of these alone is 0.
std::int64_t parse_octal(std::string_view bytes) {
  bytes.remove_prefix(std::min(bytes.find_first_not_of(' '), bytes.size()));
  const std::size_t digits = std::min(bytes.find_first_not_of("01234567"), bytes.size());
  if (bytes.find_first_not_of(std::string_view("\0 ", 2), digits) != std::string_view::npos)
    refuse_header("a number is not octal");
  std::int64_t value = 0;
  for (const char c : bytes.substr(0, digits)) value = value * 8 + (c - '0');  // at most 12 digits
  return value;
}

std::int64_t parse_number(std::string_view bytes) {
  return (static_cast<unsigned char>(bytes[0]) & 0x80) != 0 ? parse_base256(bytes) : parse_octal(bytes);
}

// Old writers summed signed characters.
void check_checksum(std::string_view block) {
  std::int64_t unsigned_sum = 0;
  std::int64_t signed_sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool is_checksum = i >= tar::kChecksum.offset && i < tar::kChecksum.offset + tar::kChecksum.bytes;
    const char c = is_checksum ? ' ' : block[i];
    unsigned_sum += static_cast<unsigned char>(c);
    signed_sum += static_cast<signed char>(c);
  }
  const std::int64_t stated = parse_octal(field(block, tar::kChecksum));
  if (stated != unsigned_sum && stated != signed_sum) refuse_header("wrong checksum");
}

// Some readers take the prefix whatever the magic says, others take GNU's and star's times for a part of it.
std::string prefix_of(std::string_view block) {
  const std::string_view magic = field(block, tar::kMagic);
  const bool is_ustar = magic.starts_with(std::string_view("ustar\0", 6));
  if (!is_ustar && !is_empty(field(block, tar::kPrefix))) refuse_header("a prefix that its format does not have");
  if (is_ustar && field(block, tar::kStarTrailer).starts_with("tar") && !is_empty(field(block, tar::kStarTimes)))
    refuse_header("the format of star");
  return text_field(block, tar::kPrefix);
}

std::int64_t parse_pax_size(std::string_view value) {
  const auto number = base::parse_unsigned(value);
  if (!number || *number > static_cast<unsigned long long>(INT64_MAX)) refuse_pax("bad size");
  return static_cast<std::int64_t>(*number);
}

std::string parse_pax_name(std::string_view value) {
  if (value.empty()) refuse_pax("empty name");
  if (value.size() > kMaxTarNameBytes) refuse_pax("name is too long");
  if (value.find('\0') != std::string_view::npos) refuse_pax("a name has a NUL");
  return std::string(value);
}

template <typename T>
void set_once(std::optional<T>& target, T value) {
  if (target) refuse_pax("a key stands there twice");
  target = std::move(value);
}

void add_pax_record(PaxRecords& records, std::string_view key, std::string_view value) {
  if (key == "path") return set_once(records.path, parse_pax_name(value));
  if (key == "linkpath") return set_once(records.link_path, parse_pax_name(value));
  if (key == "size") return set_once(records.size_bytes, parse_pax_size(value));
  if (key.starts_with("GNU.sparse."))
    throw Error(ErrorCode::kNotImplemented, "archive: sparse files are not supported");
}

}  // namespace

bool is_zero_block(base::Bytes block) {
  return is_empty(base::as_text(block));
}

TarHeader parse_tar_header(base::Bytes bytes) {
  const std::string_view block = base::as_text(bytes);
  check_checksum(block);
  TarHeader header{.name = text_field(block, tar::kName),
                   .link_target = text_field(block, tar::kLinkName),
                   .size_bytes = parse_number(field(block, tar::kSize)),
                   .type = field(block, tar::kType)[0]};
  if (header.type == '\0') header.type = '0';
  // GNU keeps the map of such a file where others have the prefix.
  if (header.type == 'S') throw Error(ErrorCode::kNotImplemented, "archive: sparse files are not supported");
  const std::string prefix = prefix_of(block);
  if (!prefix.empty()) header.name = prefix + "/" + header.name;
  return header;
}

PaxRecords parse_pax_records(std::string_view text) {
  PaxRecords records;
  while (!text.empty()) {
    const std::size_t blank = std::min(text.find(' '), text.size());
    const auto length = base::parse_unsigned(text.substr(0, blank));
    if (!length || *length > text.size() || *length < blank + 2) refuse_pax("bad length of a record");
    const std::string_view record = text.substr(blank + 1, *length - blank - 1);
    const std::size_t equals = record.find('=');
    if (!record.ends_with('\n') || equals == std::string_view::npos || equals == 0) refuse_pax("malformed record");
    add_pax_record(records, record.substr(0, equals), record.substr(equals + 1, record.size() - equals - 2));
    text.remove_prefix(*length);
  }
  return records;
}

}  // namespace lighterd::imagestore
