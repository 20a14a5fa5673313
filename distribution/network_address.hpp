// SPDX-License-Identifier: Apache-2.0
// IP addresses, as far as "may we connect there" needs them (security-reliability A.2 16 and 20).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lighterd::distribution {

// From the widest to the most internal; the order is used.
enum class AddressClass {
  kPublic,
  kPrivate,   // RFC 1918, RFC 6598, fc00::/7
  kLoopback,  // 127.0.0.0/8, ::1
  kSpecial,   // link-local (cloud metadata), unspecified, multicast, reserved
};

// IPv4 is kept as ::ffff:a.b.c.d, so that the two spellings of one address are equal.
class IpAddress {
 public:
  explicit IpAddress(const std::array<std::uint8_t, 16>& bytes) : bytes_(bytes) {}
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  bool is_ipv4() const;
  AddressClass address_class() const;
  bool operator==(const IpAddress&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_;
};

// Dotted quad or IPv6 text without brackets and zone; nothing for names and for the octal, hexadecimal and short
// forms of inet_aton.
std::optional<IpAddress> find_ip_address(std::string_view text);

struct Cidr {
  IpAddress network;
  int prefix_bits;  // of the 128
  bool contains(const IpAddress& address) const;
};
std::optional<Cidr> find_cidr(std::string_view text);

// "localhost" or an address literal of the loopback networks; nothing is looked up.
bool is_loopback_host(std::string_view host);

}  // namespace lighterd::distribution
