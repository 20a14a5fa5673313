// SPDX-License-Identifier: Apache-2.0
// Method and path to handler. Patterns are literal segments and names in braces: "{name}" is one segment,
// "{name...}" one or more (slashes, colons and at signs included). The longest literal match wins, so that
// "/images/json" beats "/images/{name...}" and a suffix decides between "/images/{name...}/json" and ".../tag".
// Matching is on the percent-decoded path with repeated slashes collapsed. HEAD is not implied by GET.
#pragma once

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
  void add(Route route);
  // Nothing if no pattern matches with this method.
  std::optional<RouteMatch> find(std::string_view method, std::string_view path) const;
  // Whether some pattern matches with another method (for servers that answer 405).
  bool has_path(std::string_view path) const;

 private:
  struct Pattern;
  std::vector<std::pair<std::vector<std::string>, Route>> routes_;
};

}  // namespace lighterd::api
