// SPDX-License-Identifier: Apache-2.0
#include "api/registry/range_header.hpp"

#include <algorithm>
#include <limits>

#include "api/registry/header_items.hpp"
#include "base/encoding.hpp"

namespace lighterd::api::registry {
namespace {

constexpr std::size_t kMaxRanges = 16;

// A position beyond what any content has is the end: 2^64 is no error.
std::optional<std::int64_t> parse_position(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  const auto value = base::parse_unsigned(text);
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  if (!value || *value > static_cast<unsigned long long>(kMax)) return kMax;
  return static_cast<std::int64_t>(*value);
}

struct Spec {
  bool is_valid = false;
  std::optional<Range> range = {};  // nothing: not of the content
};

Spec parse_spec(std::string_view text, std::int64_t size_bytes) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return {};
  const std::string_view first_text = text.substr(0, dash);
  const std::string_view last_text = text.substr(dash + 1);
  if (first_text.empty()) {
    const auto count = parse_position(last_text);
    if (!count) return {};
    if (*count == 0 || size_bytes == 0) return {true, std::nullopt};
    return {true, Range{std::max<std::int64_t>(0, size_bytes - *count), size_bytes - 1}};
  }
  const auto first = parse_position(first_text);
  const auto last = last_text.empty() ? std::optional(size_bytes - 1) : parse_position(last_text);
  if (!first || !last) return {};
  if (*first >= size_bytes || *last < *first) return {true, std::nullopt};
  return {true, Range{*first, std::min(*last, size_bytes - 1)}};
}

// Each byte is sent once at most: ranges that overlap are how a small request gets a large answer.
bool overlap(std::vector<Range> ranges) {
  std::ranges::sort(ranges, {}, &Range::first);
  for (std::size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first <= ranges[i - 1].last) return true;
  return false;
}

}  // namespace

RangeRequest parse_range(std::string_view header, std::int64_t size_bytes) {
  constexpr std::string_view kUnit = "bytes=";
  header = base::trim(header);
  if (!base::equals_ignoring_case(header.substr(0, kUnit.size()), kUnit)) return {};
  header.remove_prefix(kUnit.size());
  const auto items = split_items(header);
  if (items.size() > kMaxRanges) return {};
  RangeRequest request{.kind = RangeRequest::Kind::kUnsatisfiable};
  for (const std::string_view item : items) {
    const Spec spec = parse_spec(item, size_bytes);
    if (!spec.is_valid) return {};
    if (spec.range) request.ranges.push_back(*spec.range);
  }
  if (overlap(request.ranges)) return {};
  if (!request.ranges.empty()) request.kind = RangeRequest::Kind::kParts;
  return request;
}

std::optional<Range> parse_content_range(std::string_view header) {
  constexpr std::string_view kUnit = "bytes ";
  header = base::trim(header);
  if (header.starts_with(kUnit)) {
    header.remove_prefix(kUnit.size());
    header = header.substr(0, header.find('/'));
  }
  const std::size_t dash = header.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = base::parse_unsigned(header.substr(0, dash));
  const auto last = base::parse_unsigned(header.substr(dash + 1));
  constexpr auto kMax = static_cast<unsigned long long>(std::numeric_limits<std::int64_t>::max());
  if (!first || !last || *last < *first || *last >= kMax) return std::nullopt;
  return Range{static_cast<std::int64_t>(*first), static_cast<std::int64_t>(*last)};
}

}  // namespace lighterd::api::registry
