// SPDX-License-Identifier: Apache-2.0
#include "cli/view_fields.hpp"

#include "base/encoding.hpp"
#include "cli/format.hpp"

namespace lighterd::cli {

std::string text_of(const base::Json& object, std::string_view key) {
  return base::printable(base::find_string(object, key).value_or(""));
}

std::string size_of(const base::Json& object, std::string_view key) {
  const auto bytes = base::find_integer(object, key);
  return bytes ? format_size(*bytes) : std::string();
}

}  // namespace lighterd::cli
