// SPDX-License-Identifier: Apache-2.0
#include "api/registry/token_key.hpp"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>

#include "base/error.hpp"
#include "base/file.hpp"

namespace lighterd::api::registry {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kMaxFileBytes = 1024 * 1024;
constexpr int kMinRsaBits = 2048;
constexpr std::size_t kCoordinateBytes = 32;
constexpr std::string_view kRsa = "RS256";
constexpr std::string_view kEcdsa = "ES256";
constexpr std::string_view kEddsa = "EdDSA";

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* pointer) const noexcept {
    Free(pointer);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<&BIO_free>>;
using Certificate = std::unique_ptr<X509, Deleter<&X509_free>>;
using Number = std::unique_ptr<BIGNUM, Deleter<&BN_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Deleter<&ECDSA_SIG_free>>;
using HashContext = std::unique_ptr<EVP_MD_CTX, Deleter<&EVP_MD_CTX_free>>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string_view algorithm_of(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      if (EVP_PKEY_get_bits(key) >= kMinRsaBits) return kRsa;
      throw Error(ErrorCode::kInvalidArgument, "an RSA key of less than 2048 bits");
    case EVP_PKEY_EC: {
      std::array<char, 64> group{};
      EVP_PKEY_get_utf8_string_param(key, "group", group.data(), group.size(), nullptr);
      if (std::string_view(group.data()) == "prime256v1") return kEcdsa;
      throw Error(ErrorCode::kInvalidArgument, "an elliptic curve that is not P-256");
    }
    case EVP_PKEY_ED25519:
      return kEddsa;
    default:
      throw Error(ErrorCode::kInvalidArgument, "neither RSA nor P-256 nor Ed25519");
  }
}

// One block of a PEM file.
struct Block {
  std::string name;
  std::string der;
};

bool read_block(BIO* source, Block& block) {
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  if (PEM_read_bio(source, &name, &header, &data, &size) != 1) return false;
  const base::Finally release([&] {
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
  });
  block.name = name;
  block.der.assign(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  return true;
}

std::shared_ptr<EVP_PKEY> key_of(const Block& block) {
  const unsigned char* at = bytes_of(block.der);
  const auto size = static_cast<long>(block.der.size());
  EVP_PKEY* key = nullptr;
  if (block.name == PEM_STRING_PUBLIC) {
    key = d2i_PUBKEY(nullptr, &at, size);
  } else if (block.name == PEM_STRING_X509) {
    const Certificate certificate(d2i_X509(nullptr, &at, size));
    if (certificate) key = X509_get_pubkey(certificate.get());
  } else {
    throw Error(ErrorCode::kInvalidArgument, "neither a public key nor a certificate: " + block.name);
  }
  if (key == nullptr) throw Error(ErrorCode::kInvalidArgument, "a broken " + block.name);
  return {key, EVP_PKEY_free};
}

// Nothing for what is no pair of coordinates.
std::string der_of_raw_signature(std::string_view raw) {
  if (raw.size() != 2 * kCoordinateBytes) return {};
  Number r(BN_bin2bn(bytes_of(raw), kCoordinateBytes, nullptr));
  Number s(BN_bin2bn(bytes_of(raw) + kCoordinateBytes, kCoordinateBytes, nullptr));
  const Signature signature(ECDSA_SIG_new());
  if (!r || !s || !signature || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return {};
  [[maybe_unused]] const BIGNUM* const owned_r = r.release();
  [[maybe_unused]] const BIGNUM* const owned_s = s.release();
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) return {};
  std::string result(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return result;
}

}  // namespace

TokenKey::TokenKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)), algorithm_(algorithm_of(key_.get())) {}

std::vector<TokenKey> TokenKey::load(const std::filesystem::path& file) {
  const base::Finally clear([] { ERR_clear_error(); });
  try {
    const std::string content = base::read_file(std::filesystem::weakly_canonical(file), kMaxFileBytes);
    const Bio source(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    std::vector<TokenKey> keys;
    for (Block block; read_block(source.get(), block);) keys.push_back(TokenKey(key_of(block)));
    if (keys.empty()) throw Error(ErrorCode::kInvalidArgument, "no public key in PEM");
    return keys;
  } catch (const std::exception& error) {
    throw Error(ErrorCode::kInvalidArgument, "key of tokens " + file.string() + ": " + error.what());
  }
}

bool TokenKey::verify(std::string_view signed_text, std::string_view signature) const {
  const base::Finally clear([] { ERR_clear_error(); });
  const std::string der = algorithm_ == kEcdsa ? der_of_raw_signature(signature) : std::string(signature);
  const HashContext context(EVP_MD_CTX_new());
  const EVP_MD* hash = algorithm_ == kEddsa ? nullptr : EVP_sha256();
  if (!context || EVP_DigestVerifyInit(context.get(), nullptr, hash, nullptr, key_.get()) != 1) return false;
  return EVP_DigestVerify(context.get(), bytes_of(der), der.size(), bytes_of(signed_text), signed_text.size()) == 1;
}

}  // namespace lighterd::api::registry
