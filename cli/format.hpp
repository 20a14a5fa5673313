// SPDX-License-Identifier: Apache-2.0
// Numbers, times and digests as docker shows them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace lighterd::cli {

// "3.62MB": powers of 1000, three digits. "?" for what is negative: not known.
std::string format_size(std::int64_t bytes);
// "2 weeks": how long before `now`; less than nothing counts as nothing.
std::string format_age(base::Timestamp time, base::Timestamp now);
// The 12 digits that people use; what is no digest stays as it is.
std::string short_digest(std::string_view digest);
// For a line of a table or a terminal: without control characters, up to `columns` characters, the last of which is
// then "…". Every character counts as one column.
std::string fit(std::string_view foreign_text, std::size_t columns);
std::size_t count_columns(std::string_view utf8);

}  // namespace lighterd::cli
