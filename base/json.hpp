// SPDX-License-Identifier: Apache-2.0
// Strict reading of foreign JSON. parse_json bounds size and depth, and refuses duplicate keys, trailing data,
// a byte order mark and text that is not UTF-8 (security-reliability rules A.1 8, 9). The getters name the path
// that failed. nlohmann's header costs seconds per file: include it in .cpp files only.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lighterd::base {

using Json = nlohmann::json;

struct JsonLimits {
  std::size_t max_bytes = 4 * 1024 * 1024;
  int max_depth = 64;
  std::size_t max_values = 1'000'000;  // numbers, strings, objects ... in the whole document
};

// Throws kInvalidArgument "<what>: <why>".
Json parse_json(std::string_view text, const std::string& what, const JsonLimits& limits = {});

// Members of an object. A missing member and null are alike: find_ returns nothing, get_ throws. A member of
// another type always throws kInvalidArgument naming the key.
std::optional<std::string> find_string(const Json& object, std::string_view key);
std::string get_string(const Json& object, std::string_view key);
std::optional<std::int64_t> find_integer(const Json& object, std::string_view key);
std::int64_t get_integer(const Json& object, std::string_view key);
std::optional<bool> find_bool(const Json& object, std::string_view key);
// Pointers into `object`; null if missing.
const Json* find_object(const Json& object, std::string_view key);
const Json* find_array(const Json& object, std::string_view key);
std::vector<std::string> find_string_array(const Json& object, std::string_view key);

// Serialised as Docker does it: no spaces, bytes that are not UTF-8 replaced by U+FFFD.
std::string to_text(const Json& value);
std::string to_text(const nlohmann::ordered_json& value);

}  // namespace lighterd::base
