// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace lighterd::tests {

// "gzip", "zstd", "bzip2" or "xz", by libarchive.
std::string compress(std::string_view data, const std::string& filter);

}  // namespace lighterd::tests
