// SPDX-License-Identifier: Apache-2.0
#include "api/http/router.hpp"

#include <utility>

#include "base/error.hpp"

namespace lighterd::api {
namespace {

// "/a/b/" is "a", "b" and an empty segment, which only an empty literal matches.
std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> segments;
  segments.reserve(8);
  if (path.starts_with('/')) path.remove_prefix(1);
  for (;;) {
    const auto slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool method_matches(const Route& route, std::string_view method) {
  return route.method == "*" || route.method == method;
}

}  // namespace

Router::Segment Router::parse_segment(std::string_view text, const std::string& pattern) {
  if (text.find_first_of("{}") == std::string_view::npos) return {SegmentKind::kLiteral, std::string(text)};
  const bool braced = text.size() > 2 && text.front() == '{' && text.back() == '}';
  std::string_view name = braced ? text.substr(1, text.size() - 2) : std::string_view();
  const bool greedy = name.ends_with("...");
  if (greedy) name.remove_suffix(3);
  if (name.empty() || name.find_first_of("{}") != std::string_view::npos)
    throw base::Error(base::ErrorCode::kInternal, "malformed route pattern " + pattern);
  return {greedy ? SegmentKind::kGreedyName : SegmentKind::kName, std::string(name)};
}

Router::Entry Router::compile(Route route) {
  Entry entry;
  for (const std::string_view text : split_path(route.pattern)) {
    Segment segment = parse_segment(text, route.pattern);
    if (segment.kind == SegmentKind::kLiteral) entry.literal_bytes += segment.text.size() + 1;
    if (segment.kind == SegmentKind::kGreedyName && std::exchange(entry.greedy, true))
      throw base::Error(base::ErrorCode::kInternal, "two greedy names in route pattern " + route.pattern);
    entry.segments.push_back(std::move(segment));
  }
  entry.route = std::move(route);
  return entry;
}

void Router::add(Route route) {
  entries_.push_back(compile(std::move(route)));
}

bool Router::matches(const Entry& entry, const Segments& path) {
  const std::size_t count = entry.segments.size();
  if (entry.greedy ? path.size() < count : path.size() != count) return false;
  std::size_t at = 0;
  for (const Segment& segment : entry.segments) {
    if (segment.kind == SegmentKind::kGreedyName) at += path.size() - count;
    const std::string_view text = path[at++];
    if (segment.kind == SegmentKind::kLiteral ? text != segment.text : text.empty()) return false;
  }
  return true;
}

bool Router::beats(const Entry& a, const Entry& b) {
  if (a.literal_bytes != b.literal_bytes) return a.literal_bytes > b.literal_bytes;
  if (a.greedy != b.greedy) return b.greedy;
  return a.route.method != "*" && b.route.method == "*";
}

std::vector<std::pair<std::string, std::string>> Router::parameters_of(const Entry& entry, const Segments& path) {
  std::vector<std::pair<std::string, std::string>> parameters;
  std::size_t at = 0;
  for (const Segment& segment : entry.segments) {
    const std::string_view first = path[at];
    if (segment.kind == SegmentKind::kGreedyName) at += path.size() - entry.segments.size();
    const std::string_view last = path[at++];
    // The segments are views of one string.
    if (segment.kind != SegmentKind::kLiteral)
      parameters.emplace_back(segment.text, std::string(first.data(), last.data() + last.size()));
  }
  return parameters;
}

std::optional<RouteMatch> Router::find(std::string_view method, std::string_view path) const {
  const Segments segments = split_path(path);
  const Entry* best = nullptr;
  for (const Entry& entry : entries_)
    if (method_matches(entry.route, method) && matches(entry, segments) && (best == nullptr || beats(entry, *best)))
      best = &entry;
  if (best == nullptr) return std::nullopt;
  return RouteMatch{&best->route, parameters_of(*best, segments)};
}

}  // namespace lighterd::api
