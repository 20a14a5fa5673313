// SPDX-License-Identifier: Apache-2.0
#include "distribution/token_response.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json.hpp"

namespace lighterd::distribution {
namespace {

constexpr std::chrono::seconds kShortestLife{60};
constexpr std::chrono::seconds kLongestLife{24 * 3600};

bool is_printable(const std::string& token) {
  return std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

std::string token_of(const base::Json& body, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = body.find(key);
    if (found != body.end() && found->is_string() && !found->get_ref<const std::string&>().empty()) {
      return found->get<std::string>();
    }
  }
  return {};
}

std::chrono::seconds life_of(const base::Json& body) {
  const auto found = body.find("expires_in");
  if (found == body.end() || !found->is_number()) return kShortestLife;
  const double seconds = found->get<double>();
  if (!(seconds > static_cast<double>(kShortestLife.count()))) return kShortestLife;
  if (seconds > static_cast<double>(kLongestLife.count())) return kLongestLife;
  return std::chrono::seconds(static_cast<std::int64_t>(seconds));
}

}  // namespace

std::optional<TokenResponse> find_token(const std::string& body) {
  try {
    const base::Json json = base::parse_json(body, "token", {.max_bytes = kMaxTokenBodyBytes, .max_depth = 16});
    if (!json.is_object()) return std::nullopt;
    std::string token = token_of(json, {"access_token", "token"});
    std::string refresh_token = token_of(json, {"refresh_token"});
    if (!is_printable(token) || !is_printable(refresh_token)) return std::nullopt;
    TokenResponse response{.value = base::Secret(std::move(token)), .life = life_of(json)};
    response.refresh_token = base::Secret(std::move(refresh_token));
    return response;
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

}  // namespace lighterd::distribution
