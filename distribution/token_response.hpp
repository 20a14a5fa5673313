// SPDX-License-Identifier: Apache-2.0
// What a token server answered (registry-protocol.md A4).
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/secret.hpp"

namespace lighterd::distribution {

inline constexpr std::size_t kMaxTokenBodyBytes = 1024 * 1024;

struct TokenResponse {
  base::Secret value;  // printable; empty if the server gave none
  // From when it was asked for: the server's own clock (issued_at) says nothing here. At least a minute, as servers
  // that name less or nothing mean that; at most a day.
  std::chrono::seconds life;
  base::Secret refresh_token = {};  // empty if the server gave none
};

// "access_token" goes before "token". Nothing for what is no object, or a token that no header can hold; says nothing
// of why, since that might quote a part of the secret.
std::optional<TokenResponse> find_token(const std::string& body);

}  // namespace lighterd::distribution
