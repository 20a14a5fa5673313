// SPDX-License-Identifier: Apache-2.0
#include "api/engine/json_text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.hpp"

namespace lighterd::api {

void append_json_string(std::string& out, std::string_view text) {
  const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
  if (!std::ranges::all_of(text, is_plain)) {
    out += base::to_text(base::Json(std::string(text)));
    return;
  }
  out += '"';
  out += text;
  out += '"';
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

nlohmann::ordered_json ordered_from_text(const std::string& text) {
  return nlohmann::json::parse(text);
}

}  // namespace lighterd::api
