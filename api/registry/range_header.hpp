// SPDX-License-Identifier: Apache-2.0
// Byte ranges: of what is asked for (Range, RFC 9110 section 14.2) and of what is sent (Content-Range of a PATCH, which
// has no "bytes " in front; registry-protocol.md B1, D/6).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace lighterd::api::registry {

struct Range {
  std::int64_t first = 0;
  std::int64_t last = 0;  // inclusive

  std::int64_t size_bytes() const { return last - first + 1; }
  bool operator==(const Range&) const = default;
};

struct RangeRequest {
  enum class Kind {
    kWhole,          // none asked for, or not in a way that has to be followed: malformed, too many, overlapping
    kParts,          // at least one, in the order asked for
    kUnsatisfiable,  // none of them is of the content
  };
  Kind kind = Kind::kWhole;
  std::vector<Range> ranges = {};
};

// At most 16 ranges are followed.
RangeRequest parse_range(std::string_view header, std::int64_t size_bytes);

// "0-499" or "bytes 0-499/*"; nothing if malformed.
std::optional<Range> parse_content_range(std::string_view header);

}  // namespace lighterd::api::registry
