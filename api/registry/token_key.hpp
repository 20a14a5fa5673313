// SPDX-License-Identifier: Apache-2.0
// Public keys that tokens may be signed with. A key has one algorithm, which the token cannot choose (security-
// reliability rule 47): RSA is RS256, P-256 ES256, Ed25519 EdDSA.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct evp_pkey_st;

namespace lighterd::api::registry {

// Thread-safe.
class TokenKey {
 public:
  // All of a PEM file: public keys and certificates, of which only the key counts. kInvalidArgument, with the file
  // named, for what cannot be read, is private, of another kind, RSA below 2048 bits, or nothing at all. The file is
  // not looked at again: a key that is replaced or taken back counts until the server is started anew.
  static std::vector<TokenKey> load(const std::filesystem::path& file);

  std::string_view algorithm() const { return algorithm_; }
  // ES256 as JWS has it: r and s, 32 bytes each.
  bool verify(std::string_view signed_text, std::string_view signature) const;

 private:
  explicit TokenKey(std::shared_ptr<evp_pkey_st> key);

  std::shared_ptr<evp_pkey_st> key_;
  std::string_view algorithm_;
};

}  // namespace lighterd::api::registry
