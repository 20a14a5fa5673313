// SPDX-License-Identifier: Apache-2.0
// Bearer tokens: compact JWTs of a token server whose public keys are known from the configuration. Whatever a token
// says about keys (jwk, x5c, jku, kid) is not looked at: each configured key of its algorithm is tried.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/registry/token_key.hpp"

namespace lighterd::api::registry {

// One entry of the claim `access`.
struct Grant {
  std::string type;   // "repository", "registry"
  std::string klass;  // of "repository(plugin)": "plugin"; else empty
  std::string name;
  std::vector<std::string> actions;
};

struct TokenClaims {
  std::string subject;
  std::vector<Grant> grants;
};

// Thread-safe.
class TokenVerifier {
 public:
  TokenVerifier(std::string issuer, std::string service, std::vector<TokenKey> keys);

  // kUnauthenticated with the reason, which is for the log. Times may be 60 s off.
  TokenClaims verify(std::string_view token) const;

 private:
  bool is_signed(std::string_view signed_text, std::string_view algorithm, std::string_view signature) const;

  const std::string issuer_;
  const std::string service_;
  const std::vector<TokenKey> keys_;
};

}  // namespace lighterd::api::registry
