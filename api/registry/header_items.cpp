// SPDX-License-Identifier: Apache-2.0
#include "api/registry/header_items.hpp"

#include "base/encoding.hpp"

namespace lighterd::api::registry {

std::vector<std::string_view> split_items(std::string_view text) {
  std::vector<std::string_view> items;
  for (;;) {
    const std::size_t comma = text.find(',');
    items.push_back(base::trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

std::vector<std::string_view> header_items(const Headers& headers, std::string_view name) {
  std::vector<std::string_view> items;
  for (const auto& [field, value] : headers.all()) {
    if (!base::equals_ignoring_case(field, name)) continue;
    const auto more = split_items(value);
    items.insert(items.end(), more.begin(), more.end());
  }
  return items;
}

}  // namespace lighterd::api::registry
