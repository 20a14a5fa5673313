// SPDX-License-Identifier: Apache-2.0
// One header block of a tar archive, and the records of a PAX header. Readers of tar disagree about whatever is
// malformed, and what they disagree about hides things (security-reliability A.3/28): it is refused here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/stream.hpp"
#include "imagestore/tar_fields.hpp"

namespace lighterd::imagestore {

inline constexpr std::size_t kTarBlockBytes = tar::kBlockBytes;
inline constexpr std::size_t kMaxTarNameBytes = 4096;

struct TarHeader {
  std::string name;
  std::string link_target;
  std::int64_t size_bytes = 0;
  char type = '0';  // old archives' NUL is '0'
};

bool is_zero_block(base::Bytes block);

// Of kTarBlockBytes bytes: v7, ustar and GNU. kDataLoss "unexpected EOF: invalid tar header: <why>".
TarHeader parse_tar_header(base::Bytes block);

// What of a PAX header governs how the archive is read; other keys mean nothing here.
struct PaxRecords {
  std::optional<std::string> path;
  std::optional<std::string> link_path;
  std::optional<std::int64_t> size_bytes;
};

// kDataLoss when malformed, kNotImplemented for sparse files.
PaxRecords parse_pax_records(std::string_view text);

}  // namespace lighterd::imagestore
