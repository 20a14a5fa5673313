// SPDX-License-Identifier: Apache-2.0
// Content digests. A Digest that exists is valid: parse_digest is the only way in from text, so a path or a URL
// built from one cannot be steered by it (security-reliability A.1/3). The one user of libcrypto.
#pragma once

#include <compare>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/stream.hpp"

namespace lighterd::oci {

enum class DigestAlgorithm { kSha256, kSha512 };

std::string_view to_string(DigestAlgorithm algorithm);

class Digest {
 public:
  DigestAlgorithm algorithm() const { return algorithm_; }
  const std::string& hex() const { return hex_; }  // lower case, 64 or 128 digits
  std::string to_string() const;                   // "sha256:..."
  std::string short_hex() const { return hex_.substr(0, 12); }

  auto operator<=>(const Digest&) const = default;

 private:
  friend class DigestHasher;
  friend Digest parse_digest(std::string_view text);
  Digest(DigestAlgorithm algorithm, std::string hex) : algorithm_(algorithm), hex_(std::move(hex)) {}
  DigestAlgorithm algorithm_;
  std::string hex_;
};

using DiffID = Digest;  // of the uncompressed layer tar

// kInvalidArgument with distribution/reference's texts: "invalid checksum digest format",
// "invalid checksum digest length", "unsupported digest algorithm".
Digest parse_digest(std::string_view text);
std::optional<Digest> find_digest(std::string_view text);  // nothing instead of an Error

// Not thread-safe. finish() once; update() after it is a bug.
class DigestHasher {
 public:
  explicit DigestHasher(DigestAlgorithm algorithm);
  ~DigestHasher();
  DigestHasher(DigestHasher&&) noexcept;
  DigestHasher& operator=(DigestHasher&&) noexcept;

  void update(base::Bytes data);
  Digest finish();

 private:
  struct Context;
  DigestAlgorithm algorithm_;
  std::unique_ptr<Context> context_;
};

Digest digest_of(base::Bytes data, DigestAlgorithm algorithm = DigestAlgorithm::kSha256);

// Bytes of the operating system's random generator as lower-case hex, 2 digits a byte.
std::string random_hex(std::size_t bytes);

}  // namespace lighterd::oci

template <>
struct std::hash<lighterd::oci::Digest> {
  std::size_t operator()(const lighterd::oci::Digest& digest) const noexcept {
    return std::hash<std::string>()(digest.hex());
  }
};
