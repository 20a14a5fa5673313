// SPDX-License-Identifier: Apache-2.0
// Tar archives as text, block by block, malformed ones too.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace lighterd::tests {

struct TarFields {
  std::string name;
  char type = '0';
  std::int64_t size_bytes = 0;
  std::string raw_size = {};  // instead of size_bytes, as it stands
  std::string link_target = {};
  std::string magic = {'u', 's', 't', 'a', 'r', '\0', '0', '0'};
  std::string prefix = {};
};

std::string tar_header(const TarFields& fields);
// Header, data and padding.
std::string tar_file(const std::string& name, std::string_view data, char type = '0');
std::string tar_link(const std::string& name, const std::string& target);  // symbolic
std::string tar_end();

std::string pax_record(std::string_view key, std::string_view value);
std::string pax_header(std::initializer_list<std::string> records, char type = 'x');

}  // namespace lighterd::tests
