// SPDX-License-Identifier: Apache-2.0
// bcrypt hashes of passwords, as htpasswd -B writes them. The one user of libcrypt.
#pragma once

#include <string>
#include <string_view>

#include "base/secret.hpp"

namespace lighterd::api::registry {

// "$2y$<cost>$" or $2a$, $2b$, and what belongs behind it. Costs beyond htpasswd's own 17 would stop the server.
bool is_bcrypt_hash(std::string_view text);

// Each more doubles the time. Of what is_bcrypt_hash.
unsigned bcrypt_cost(std::string_view hash);

// Takes as long as the cost of the hash says, whatever the password. False for empty passwords and for those that
// bcrypt cannot tell from others: it reads 72 bytes, or up to a zero byte, so what is longer or has one is refused.
bool matches_hash(const base::Secret& password, const std::string& bcrypt_hash);

}  // namespace lighterd::api::registry
