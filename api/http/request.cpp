// SPDX-License-Identifier: Apache-2.0
#include "api/http/request.hpp"

#include <algorithm>
#include <iterator>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

std::string decode_or_keep(std::string_view text) {
  return base::percent_decode(text, base::PlusSign::kSpace).value_or(std::string(text));
}

}  // namespace

const std::string* Headers::find(std::string_view name) const {
  const auto found =
      std::ranges::find_if(fields_, [&](const auto& field) { return base::equals_ignoring_case(field.first, name); });
  return found == fields_.end() ? nullptr : &found->second;
}

Parameters Parameters::parse(std::string_view encoded) {
  Parameters result;
  while (!encoded.empty()) {
    const auto end = std::min(encoded.find('&'), encoded.size());
    const std::string_view pair = encoded.substr(0, end);
    encoded.remove_prefix(std::min(end + 1, encoded.size()));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
    result.pairs_.emplace_back(decode_or_keep(pair.substr(0, equals)), decode_or_keep(value));
  }
  return result;
}

const std::string* Parameters::find(std::string_view name) const {
  const auto found = std::ranges::find_if(pairs_, [&](const auto& pair) { return pair.first == name; });
  return found == pairs_.end() ? nullptr : &found->second;
}

std::vector<std::string> Parameters::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : pairs_)
    if (key == name) values.push_back(value);
  return values;
}

void Parameters::append(Parameters more) {
  std::ranges::move(more.pairs_, std::back_inserter(pairs_));
}

const std::string& Request::path_parameter(std::string_view name) const {
  for (const auto& [key, value] : path_parameters)
    if (key == name) return value;
  throw base::Error(base::ErrorCode::kInternal, "the route has no parameter " + std::string(name));
}

}  // namespace lighterd::api
