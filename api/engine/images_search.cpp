// SPDX-License-Identifier: Apache-2.0
// GET /images/search: engine-api.md section 6.10.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/engine/endpoints.hpp"
#include "api/engine/filters.hpp"
#include "api/engine/parameters.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;
using distribution::FoundRepository;
using Ordered = nlohmann::ordered_json;

// A decimal number as Go's strconv.Atoi reads it; nothing if it is none.
std::optional<long long> parse_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  constexpr unsigned long long kMost = 1'000'000'000'000;
  const auto number = base::parse_unsigned(text);
  if (!number) return std::nullopt;
  const auto value = static_cast<long long>(std::min(*number, kMost));
  return negative ? -value : value;
}

std::string syntax_error(const std::string& text) {
  return "strconv.Atoi: parsing \"" + base::printable(text, 256) + "\": invalid syntax";
}

int parse_limit(const std::string& text) {
  constexpr int kDefault = 25;
  constexpr int kMost = 100;
  if (text.empty()) return kDefault;
  const auto limit = parse_integer(text);
  if (!limit) throw Error(ErrorCode::kInvalidArgument, "invalid limit specified: " + syntax_error(text));
  if (*limit == 0) return kDefault;
  if (*limit < 1 || *limit > kMost)
    throw Error(ErrorCode::kInvalidArgument,
                "limit " + std::to_string(*limit) + " is outside the range of [1, " + std::to_string(kMost) + "]");
  return static_cast<int>(*limit);
}

struct Wanted {
  std::optional<bool> is_official;
  bool is_automated = false;
  long long min_stars = 0;
};

Wanted parse_filters(const Filters& filters) {
  filters.require_known({"is-automated", "is-official", "stars"});
  Wanted wanted;
  wanted.is_automated = filters.find_bool("is-automated").value_or(false);
  wanted.is_official = filters.find_bool("is-official");
  for (const std::string& text : filters.values("stars")) {
    const auto stars = parse_integer(text);
    if (!stars)
      throw Error(ErrorCode::kInvalidArgument,
                  "invalid filter 'stars=" + base::printable(text, 256) + "': " + syntax_error(text));
    wanted.min_stars = std::max(wanted.min_stars, *stars);
  }
  return wanted;
}

// Nothing is automated any more.
bool is_wanted(const FoundRepository& repository, const Wanted& wanted) {
  return !wanted.is_automated && repository.stars >= wanted.min_stars &&
         (!wanted.is_official || *wanted.is_official == repository.is_official);
}

}  // namespace

void images_search(EngineCall& call) {
  const std::string term = get_text(call.parameters, "term");
  call.subject = base::printable(term, 256);
  const int limit = parse_limit(get_text(call.parameters, "limit"));
  const Wanted wanted = parse_filters(Filters::parse(get_text(call.parameters, "filters")));
  const auto found = call.services.searches.search(term, limit, make_operation_context(call), call.request.stop);
  Ordered results = Ordered::array();
  for (const FoundRepository& repository : found) {
    if (!is_wanted(repository, wanted)) continue;
    results.push_back({{"star_count", repository.stars},
                       {"is_official", repository.is_official},
                       {"name", repository.name},
                       {"is_automated", false},
                       {"description", repository.description}});
  }
  send_json(call, 200, results.dump(-1, ' ', false, Ordered::error_handler_t::replace));
}

}  // namespace lighterd::api
