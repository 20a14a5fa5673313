// SPDX-License-Identifier: Apache-2.0
// Credentials as Docker clients send them in X-Registry-Auth (engine-api.md section 4).
#pragma once

#include <string>
#include <string_view>

#include "base/secret.hpp"

namespace lighterd::distribution {

struct AuthConfig {
  std::string username;
  base::Secret password;
  base::Secret identity_token;  // an OAuth2 refresh token
  base::Secret registry_token;  // a bearer token, sent as it is
  base::Secret authorization;   // a whole Authorization header, from hosts.toml; clients send none
  std::string server_address;   // empty: the registry of the request

  bool is_anonymous() const;
  // Whether they were given for that registry: server_address without scheme and path, Hub's aliases being one,
  // equals `registry` ("docker.io", "localhost:5000"); an empty address matches (decision 5).
  bool is_for(std::string_view registry) const;
};

// "host[:port]" of an address as clients name a registry: without scheme and path, in lower case, "docker.io" for all
// of Hub's names. Not checked.
std::string registry_of_address(std::string_view address);

// The header's value: base64url or base64, padded or not, keys in any case, the user name "<token>" meaning an
// identity token. Whatever cannot be decoded is anonymous, never an error.
AuthConfig parse_registry_auth(std::string_view header_value);
// The JSON body of POST /auth and of old clients' pushes. kInvalidArgument if it is not an object.
AuthConfig parse_auth_json(std::string_view json);

}  // namespace lighterd::distribution
