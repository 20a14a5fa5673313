// SPDX-License-Identifier: Apache-2.0
// Method and path to handler. Patterns are literal segments and names in braces: "{name}" is one segment,
// "{name...}" one or more (slashes, colons and at signs included). The longest literal match wins, so that
// "/images/json" beats "/images/{name...}" and a suffix decides between "/images/{name...}/json" and ".../tag".
// Matching is on the percent-decoded path with repeated slashes collapsed. HEAD is not implied by GET.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/http/request.hpp"
#include "api/http/response.hpp"

namespace lighterd::api {

using Handler = std::function<void(Request&, Response&)>;

// Inline handlers run on the reactor thread: they must not block, read the body or start a stream.
enum class Execution { kInline, kWorker };

struct Route {
  std::string method;  // "*" for any
  std::string pattern;
  Execution execution = Execution::kWorker;
  Handler handler;
};

struct RouteMatch {
  const Route* route;
  std::vector<std::pair<std::string, std::string>> parameters;
};

// Filled at start, then read by any thread.
class Router {
 public:
  // Throws kInternal for a malformed pattern or one with two greedy names.
  void add(Route route);
  // Nothing if no pattern matches with this method.
  std::optional<RouteMatch> find(std::string_view method, std::string_view path) const;

 private:
  enum class SegmentKind { kLiteral, kName, kGreedyName };
  struct Segment {
    SegmentKind kind;
    std::string text;  // the literal, or the name
  };
  struct Entry {
    std::vector<Segment> segments;
    std::size_t literal_bytes = 0;
    bool greedy = false;
    Route route;
  };
  using Segments = std::vector<std::string_view>;

  static Entry compile(Route route);
  static Segment parse_segment(std::string_view text, const std::string& pattern);
  // Whether the path has the pattern's shape. A greedy name takes whatever the other segments leave.
  static bool matches(const Entry& entry, const Segments& path);
  static bool beats(const Entry& a, const Entry& b);
  static std::vector<std::pair<std::string, std::string>> parameters_of(const Entry& entry, const Segments& path);

  std::deque<Entry> entries_;  // matches point into it
};

}  // namespace lighterd::api
