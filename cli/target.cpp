// SPDX-License-Identifier: Apache-2.0
#include "cli/target.hpp"

#include "base/encoding.hpp"
#include "cli/image_name.hpp"

namespace lighterd::cli {

std::string encode_name(std::string_view name) {
  if (is_url(name)) return base::percent_encode(name);
  std::string out;
  for (const char c : name) out += c == '/' || c == ':' || c == '@' ? std::string(1, c) : base::percent_encode({&c, 1});
  return out;
}

Target& Target::add(std::string_view name, std::string_view value) {
  text_ += has_query_ ? '&' : '?';
  text_ += base::percent_encode(name) + "=" + base::percent_encode(value);
  has_query_ = true;
  return *this;
}

}  // namespace lighterd::cli
