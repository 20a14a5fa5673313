// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tar_text.hpp"

#include <cstdio>

namespace lighterd::tests {
namespace {

constexpr std::size_t kBlockBytes = 512;

std::string octal(std::int64_t value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

std::string tar_header(const TarFields& fields) {
  std::string block(kBlockBytes, '\0');
  const auto put = [&](std::size_t at, std::string_view text) { block.replace(at, text.size(), text); };
  put(0, fields.name.substr(0, 100));
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, fields.raw_size.empty() ? octal(fields.size_bytes, 11) : fields.raw_size);
  put(136, "00000000000");
  put(148, "        ");
  block[156] = fields.type;
  put(157, fields.link_target.substr(0, 100));
  put(257, fields.magic);
  put(345, fields.prefix);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(148, octal(sum, 6) + '\0');
  return block;
}

std::string tar_file(const std::string& name, std::string_view data, char type) {
  std::string text =
      tar_header({.name = name, .type = type, .size_bytes = static_cast<std::int64_t>(data.size())}).append(data);
  text.resize((text.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes, '\0');
  return text;
}

std::string tar_link(const std::string& name, const std::string& target) {
  return tar_header({.name = name, .type = '2', .link_target = target});
}

std::string tar_end() {
  return std::string(2 * kBlockBytes, '\0');
}

std::string pax_record(std::string_view key, std::string_view value) {
  const std::string body = " " + std::string(key) + "=" + std::string(value) + "\n";
  std::size_t length = body.size() + 1;
  while (std::to_string(length).size() + body.size() != length) ++length;
  return std::to_string(length) + body;
}

std::string pax_header(std::initializer_list<std::string> records, char type) {
  std::string text;
  for (const std::string& record : records) text += record;
  return tar_file("PaxHeaders/entry", text, type);
}

}  // namespace lighterd::tests
