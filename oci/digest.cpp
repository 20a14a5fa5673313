// SPDX-License-Identifier: Apache-2.0
#include "oci/digest.hpp"

#include <openssl/evp.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/error.hpp"

namespace lighterd::oci {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::string_view kBadFormat = "invalid checksum digest format";
constexpr std::string_view kBadLength = "invalid checksum digest length";
constexpr std::string_view kUnsupported = "unsupported digest algorithm";

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_lower_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// go-digest's `[a-z0-9]+(?:[.+_-][a-z0-9]+)*`.
bool is_algorithm_name(std::string_view text) {
  bool after_separator = true;
  for (const char c : text) {
    if (is_lower_or_digit(c)) {
      after_separator = false;
    } else if (after_separator || std::string_view(".+_-").find(c) == std::string_view::npos) {
      return false;
    } else {
      after_separator = true;
    }
  }
  return !after_separator;
}

bool is_encoded(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '=' || c == '_' || c == '-'; });
}

struct Parts {
  DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
  std::string_view hex = {};
  std::string_view problem = {};  // empty if valid
};

// The checks and their order are go-digest's, so that the texts are the ones that Docker shows.
Parts split_digest(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return {.problem = kBadFormat};
  const std::string_view name = text.substr(0, colon);
  const std::string_view hex = text.substr(colon + 1);
  Parts parts{.hex = hex};
  if (name == "sha512") {
    parts.algorithm = DigestAlgorithm::kSha512;
  } else if (name != "sha256") {
    parts.problem = is_algorithm_name(name) && is_encoded(hex) ? kUnsupported : kBadFormat;
    return parts;
  }
  if (hex.size() != (parts.algorithm == DigestAlgorithm::kSha256 ? 64U : 128U)) {
    parts.problem = kBadLength;
  } else if (!std::ranges::all_of(hex, is_lower_hex)) {
    parts.problem = kBadFormat;
  }
  return parts;
}

std::string to_hex(base::Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const std::byte byte : bytes) {
    hex += kDigits[std::to_integer<std::size_t>(byte >> 4)];
    hex += kDigits[std::to_integer<std::size_t>(byte & std::byte{0x0F})];
  }
  return hex;
}

void check(int result, const char* what) {
  if (result != 1) throw Error(ErrorCode::kInternal, std::string(what) + " failed");
}

}  // namespace

std::string_view to_string(DigestAlgorithm algorithm) {
  return algorithm == DigestAlgorithm::kSha512 ? "sha512" : "sha256";
}

std::string Digest::to_string() const {
  return std::string(oci::to_string(algorithm_)) + ":" + hex_;
}

Digest parse_digest(std::string_view text) {
  const Parts parts = split_digest(text);
  if (!parts.problem.empty()) throw Error(ErrorCode::kInvalidArgument, std::string(parts.problem));
  return {parts.algorithm, std::string(parts.hex)};
}

std::optional<Digest> find_digest(std::string_view text) {
  if (!split_digest(text).problem.empty()) return std::nullopt;
  return parse_digest(text);
}

struct DigestHasher::Context {
  Context() : handle(EVP_MD_CTX_new()) {
    if (handle == nullptr) throw std::bad_alloc();
  }
  ~Context() { EVP_MD_CTX_free(handle); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  EVP_MD_CTX* handle;
};

DigestHasher::DigestHasher(DigestAlgorithm algorithm) : algorithm_(algorithm), context_(std::make_unique<Context>()) {
  const EVP_MD* function = algorithm == DigestAlgorithm::kSha512 ? EVP_sha512() : EVP_sha256();
  check(EVP_DigestInit_ex(context_->handle, function, nullptr), "EVP_DigestInit_ex");
}

DigestHasher::~DigestHasher() = default;
DigestHasher::DigestHasher(DigestHasher&&) noexcept = default;
DigestHasher& DigestHasher::operator=(DigestHasher&&) noexcept = default;

void DigestHasher::update(base::Bytes data) {
  if (!context_) throw Error(ErrorCode::kInternal, "hasher used after its end");
  check(EVP_DigestUpdate(context_->handle, data.data(), data.size()), "EVP_DigestUpdate");
}

Digest DigestHasher::finish() {
  if (!context_) throw Error(ErrorCode::kInternal, "hasher used after its end");
  const std::unique_ptr<Context> context = std::move(context_);
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  check(EVP_DigestFinal_ex(context->handle, hash.data(), &size), "EVP_DigestFinal_ex");
  return {algorithm_, to_hex(std::as_bytes(std::span(hash).first(size)))};
}

Digest digest_of(base::Bytes data, DigestAlgorithm algorithm) {
  DigestHasher hasher(algorithm);
  hasher.update(data);
  return hasher.finish();
}

std::string random_hex(std::size_t bytes) {
  std::string raw(bytes, '\0');
  std::size_t filled = 0;
  while (filled < raw.size()) {
    const ssize_t got = getrandom(raw.data() + filled, raw.size() - filled, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw base::errno_error(errno, "getrandom");
    filled += static_cast<std::size_t>(got);
  }
  return to_hex(base::as_bytes(raw));
}

}  // namespace lighterd::oci
