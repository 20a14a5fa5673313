// SPDX-License-Identifier: Apache-2.0
// An answer that is a part of a file: what is left to send of it.
#pragma once

#include <cstdint>
#include <string>

#include "base/file.hpp"

namespace lighterd::api {

struct FileBody {
  std::string head;  // goes first
  base::UniqueFd file;
  std::uint64_t offset_bytes = 0;
  std::uint64_t left_bytes = 0;

  bool is_sent() const { return head.empty() && left_bytes == 0; }
};

}  // namespace lighterd::api
