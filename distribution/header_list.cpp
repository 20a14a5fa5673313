// SPDX-License-Identifier: Apache-2.0
#include "distribution/header_list.hpp"

#include <algorithm>

#include "base/encoding.hpp"

namespace lighterd::distribution {

void add_headers(HeaderList& headers, const HeaderList& more) {
  std::erase_if(headers, [&](const auto& old) {
    return std::any_of(more.begin(), more.end(),
                       [&](const auto& each) { return base::equals_ignoring_case(each.first, old.first); });
  });
  headers.insert(headers.end(), more.begin(), more.end());
}

}  // namespace lighterd::distribution
