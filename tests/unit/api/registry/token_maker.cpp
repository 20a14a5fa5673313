// SPDX-License-Identifier: Apache-2.0
#include "token_maker.hpp"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"

namespace lighterd::api::registry {
namespace {

EVP_PKEY* generate(SigningKey::Kind kind) {
  switch (kind) {
    case SigningKey::Kind::kRsa:
      return EVP_RSA_gen(2048);
    case SigningKey::Kind::kSmallRsa:
      return EVP_RSA_gen(1024);
    case SigningKey::Kind::kP256:
      return EVP_EC_gen("P-256");
    case SigningKey::Kind::kP384:
      return EVP_EC_gen("P-384");
    case SigningKey::Kind::kEd25519:
      break;
  }
  return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
}

std::string written(const std::function<void(BIO*)>& write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

std::string raw_of_der(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  std::string raw(64, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + 32, 32);
  ECDSA_SIG_free(signature);
  return raw;
}

}  // namespace

std::string base64url(std::string_view bytes) {
  std::string text = base::base64_encode(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  text.erase(std::min(text.find('='), text.size()));
  return text;
}

SigningKey::SigningKey(Kind kind) : kind_(kind), key_(generate(kind), EVP_PKEY_free) {}

std::string SigningKey::algorithm() const {
  if (kind_ == Kind::kP256) return "ES256";
  return kind_ == Kind::kEd25519 ? "EdDSA" : "RS256";
}

std::string SigningKey::public_pem() const {
  return written([&](BIO* bio) { PEM_write_bio_PUBKEY(bio, key_.get()); });
}

std::string SigningKey::private_pem() const {
  return written([&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr); });
}

std::string SigningKey::certificate_pem() const {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509_set_pubkey(certificate.get(), key_.get());
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_sign(certificate.get(), key_.get(), kind_ == Kind::kEd25519 ? nullptr : EVP_sha256());
  return written([&](BIO* bio) { PEM_write_bio_X509(bio, certificate.get()); });
}

std::string SigningKey::sign(std::string_view text) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const EVP_MD* hash = kind_ == Kind::kEd25519 ? nullptr : EVP_sha256();
  EVP_DigestSignInit(context.get(), nullptr, hash, nullptr, key_.get());
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::string signature(1024, '\0');
  std::size_t size = signature.size();
  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes, text.size());
  signature.resize(size);
  return kind_ == Kind::kP256 ? raw_of_der(signature) : signature;
}

std::string SigningKey::token(const nlohmann::json& claims, const nlohmann::json* header) const {
  const nlohmann::json usual = nlohmann::json::object({{"alg", algorithm()}, {"typ", "JWT"}});
  const std::string text = base64url((header == nullptr ? usual : *header).dump()) + "." + base64url(claims.dump());
  return text + "." + base64url(sign(text));
}

nlohmann::json good_claims() {
  const std::time_t now = std::time(nullptr);
  return nlohmann::json::object({{"iss", "issuer"},
                                 {"aud", "registry"},
                                 {"sub", "ada"},
                                 {"exp", now + 300},
                                 {"nbf", now - 10},
                                 {"iat", now - 10},
                                 {"access", nlohmann::json::array()}});
}

}  // namespace lighterd::api::registry
