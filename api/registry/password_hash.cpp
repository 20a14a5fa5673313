// SPDX-License-Identifier: Apache-2.0
#include "api/registry/password_hash.hpp"

#include <crypt.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/encoding.hpp"

namespace lighterd::api::registry {
namespace {

constexpr std::size_t kHashBytes = 60;
constexpr std::size_t kPrefixBytes = 7;  // "$2y$10$"
constexpr std::size_t kMaxPasswordBytes = 72;
constexpr unsigned long long kMinCost = 4;
constexpr unsigned long long kMaxCost = 17;

auto parse_cost(std::string_view hash) {
  return base::parse_unsigned(hash.substr(4, 2));
}

bool is_digest_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '/';
}

bool are_equal(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

struct WipedData {
  crypt_data data{};
  WipedData() = default;
  WipedData(const WipedData&) = delete;
  WipedData& operator=(const WipedData&) = delete;
  ~WipedData() { ::explicit_bzero(&data, sizeof data); }
};

}  // namespace

bool is_bcrypt_hash(std::string_view text) {
  if (text.size() != kHashBytes || !text.starts_with("$2") || text[3] != '$' || text[6] != '$') return false;
  if (std::string_view("aby").find(text[2]) == std::string_view::npos) return false;
  const auto cost = parse_cost(text);
  return cost && *cost >= kMinCost && *cost <= kMaxCost &&
         std::ranges::all_of(text.substr(kPrefixBytes), is_digest_character);
}

unsigned bcrypt_cost(std::string_view hash) {
  return static_cast<unsigned>(parse_cost(hash).value_or(0));
}

// 32 KiB: too much for the stack of a worker that has more to do.
bool matches_hash(const base::Secret& password, const std::string& bcrypt_hash) {
  const auto scratch = std::make_unique<WipedData>();
  const char* made = ::crypt_r(password.reveal().c_str(), bcrypt_hash.c_str(), &scratch->data);
  const std::string& text = password.reveal();
  const bool is_whole = !text.empty() && text.size() <= kMaxPasswordBytes && text.find('\0') == std::string::npos;
  return made != nullptr && are_equal(made, bcrypt_hash) && is_whole;
}

}  // namespace lighterd::api::registry
