// SPDX-License-Identifier: Apache-2.0
#include "oci/json_keys.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::oci {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// As encoding/json folds: besides the letters, U+017F is an 's' and U+212A a 'k'.
std::string fold(std::string_view key) {
  std::string folded = base::to_lower(key);
  replace_all(folded, "\xC5\xBF", "s");
  replace_all(folded, "\xE2\x84\xAA", "k");
  return folded;
}

}  // namespace

void refuse_case_variants(const nlohmann::json& object, std::initializer_list<std::string_view> keys) {
  if (!object.is_object()) throw base::Error(base::ErrorCode::kInvalidArgument, "expected an object");
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(keys, key) != keys.end()) continue;
    const std::string folded = fold(key);
    const auto same = [&folded](std::string_view known) { return fold(known) == folded; };
    if (const auto meant = std::ranges::find_if(keys, same); meant != keys.end())
      throw base::Error(base::ErrorCode::kInvalidArgument,
                        "key \"" + base::printable(key, 64) + "\" is not \"" + std::string(*meant) + "\"");
  }
}

}  // namespace lighterd::oci
