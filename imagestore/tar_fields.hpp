// SPDX-License-Identifier: Apache-2.0
// Where the fields of a tar header are (POSIX.1-2001, ustar interchange format), for those who read and write it.
#pragma once

#include <cstddef>

namespace lighterd::imagestore::tar {

inline constexpr std::size_t kBlockBytes = 512;

struct Field {
  std::size_t offset;
  std::size_t bytes;
};

inline constexpr Field kName = {0, 100};
inline constexpr Field kMode = {100, 8};
inline constexpr Field kOwner = {108, 8};
inline constexpr Field kGroup = {116, 8};
inline constexpr Field kSize = {124, 12};
inline constexpr Field kTime = {136, 12};
inline constexpr Field kChecksum = {148, 8};
inline constexpr Field kType = {156, 1};
inline constexpr Field kLinkName = {157, 100};
inline constexpr Field kMagic = {257, 8};  // with the version
inline constexpr Field kMajor = {329, 8};
inline constexpr Field kMinor = {337, 8};
inline constexpr Field kPrefix = {345, 155};
// Where star keeps times behind a shorter prefix.
inline constexpr Field kStarTimes = {345 + 131, 24};
inline constexpr Field kStarTrailer = {508, 4};

}  // namespace lighterd::imagestore::tar
