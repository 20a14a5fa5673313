// SPDX-License-Identifier: Apache-2.0
// Tokens as a token server makes them, and as one should not.
#pragma once

#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace lighterd::api::registry {

std::string base64url(std::string_view bytes);

class SigningKey {
 public:
  enum class Kind { kRsa, kSmallRsa, kP256, kP384, kEd25519 };

  explicit SigningKey(Kind kind);

  std::string algorithm() const;
  std::string public_pem() const;
  std::string private_pem() const;
  std::string certificate_pem() const;
  // Of the algorithm's kind; for P-256 r and s.
  std::string sign(std::string_view text) const;
  // {"alg", "typ"} unless given.
  std::string token(const nlohmann::json& claims, const nlohmann::json* header = nullptr) const;

 private:
  Kind kind_;
  std::shared_ptr<evp_pkey_st> key_;
};

// What a good token for "registry" of "issuer" says, with access to nothing.
nlohmann::json good_claims();

}  // namespace lighterd::api::registry
