// SPDX-License-Identifier: Apache-2.0
#include "distribution/network_address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/encoding.hpp"

namespace lighterd::distribution {
namespace {

constexpr std::array<std::uint8_t, 12> kIpv4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr std::array<std::uint8_t, 12> kNat64Prefix = {0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0};

bool has_prefix(const std::array<std::uint8_t, 16>& bytes, const std::array<std::uint8_t, 12>& prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

AddressClass class_of_ipv4(std::uint8_t a, std::uint8_t b) {
  if (a == 127) return AddressClass::kLoopback;
  if (a == 0 || a >= 224 || (a == 169 && b == 254)) return AddressClass::kSpecial;
  if (a == 10 || (a == 172 && b >= 16 && b < 32) || (a == 192 && b == 168) || (a == 100 && b >= 64 && b < 128)) {
    return AddressClass::kPrivate;
  }
  return AddressClass::kPublic;
}

}  // namespace

bool IpAddress::is_ipv4() const {
  return has_prefix(bytes_, kIpv4Prefix);
}

AddressClass IpAddress::address_class() const {
  if (is_ipv4() || has_prefix(bytes_, kNat64Prefix)) return class_of_ipv4(bytes_[12], bytes_[13]);
  const bool fifteen_zeros = std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t byte) { return byte == 0; });
  if (fifteen_zeros) return bytes_[15] == 1 ? AddressClass::kLoopback : AddressClass::kSpecial;
  if (bytes_[0] == 0xFF || (bytes_[0] == 0xFE && (bytes_[1] & 0xC0) == 0x80)) return AddressClass::kSpecial;
  if ((bytes_[0] & 0xFE) == 0xFC || (bytes_[0] == 0xFE && (bytes_[1] & 0xC0) == 0xC0)) return AddressClass::kPrivate;
  return AddressClass::kPublic;
}

std::optional<IpAddress> find_ip_address(std::string_view text) {
  const std::string copy(text);
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) return IpAddress(bytes);
  std::copy(kIpv4Prefix.begin(), kIpv4Prefix.end(), bytes.begin());
  if (inet_pton(AF_INET, copy.c_str(), bytes.data() + kIpv4Prefix.size()) == 1) return IpAddress(bytes);
  return std::nullopt;
}

bool Cidr::contains(const IpAddress& address) const {
  const auto whole = static_cast<std::size_t>(prefix_bits / 8);
  const int rest = prefix_bits % 8;
  if (!std::equal(network.bytes().begin(), network.bytes().begin() + static_cast<std::ptrdiff_t>(whole),
                  address.bytes().begin())) {
    return false;
  }
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xFF << (8 - rest));
  return (network.bytes()[whole] & mask) == (address.bytes()[whole] & mask);
}

std::optional<Cidr> find_cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto network = find_ip_address(text.substr(0, slash));
  const auto bits = base::parse_unsigned(text.substr(slash + 1));
  if (!network || !bits || *bits > (network->is_ipv4() ? 32U : 128U)) return std::nullopt;
  return Cidr{*network, static_cast<int>(*bits) + (network->is_ipv4() ? 96 : 0)};
}

bool is_loopback_host(std::string_view host) {
  if (base::equals_ignoring_case(host, "localhost")) return true;
  const auto address = find_ip_address(host);
  return address && address->address_class() == AddressClass::kLoopback;
}

}  // namespace lighterd::distribution
