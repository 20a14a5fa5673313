// SPDX-License-Identifier: Apache-2.0
#include "distribution/host_trust.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include "base/encoding.hpp"

namespace lighterd::distribution {
namespace {

constexpr std::chrono::seconds kLongestLookUp{5};
constexpr std::size_t kMaxKnownHosts = 32;  // servers name hosts as they like

std::vector<IpAddress> look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, &freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    if (const auto address = find_ip_address(text)) addresses.push_back(*address);
  }
  return addresses;
}

// getaddrinfo has no time-out of its own to speak of: a thread that is left to itself has to wait for it.
std::vector<IpAddress> look_up_in_time(const std::string& host) {
  std::packaged_task<std::vector<IpAddress>()> task([host] { return look_up(host); });
  std::future<std::vector<IpAddress>> result = task.get_future();
  std::thread(std::move(task)).detach();
  if (result.wait_for(kLongestLookUp) != std::future_status::ready) return {};
  return result.get();
}

std::string strip_scheme(std::string_view entry) {
  std::string text = base::to_lower(base::trim(entry));
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (text.starts_with(scheme)) text.erase(0, scheme.size());
  }
  return text;
}

}  // namespace

InsecureRegistries::InsecureRegistries(const std::vector<std::string>& entries) {
  for (const std::string& entry : entries) {
    std::string text = strip_scheme(entry);
    if (const auto network = find_cidr(text)) {
      networks_.push_back(*network);
    } else {
      while (text.ends_with('/')) text.pop_back();
      hosts_.push_back(std::move(text));
    }
  }
}

bool InsecureRegistries::contains(const Url& url) const {
  if (is_loopback_host(url.host)) return true;
  if (std::find(hosts_.begin(), hosts_.end(), url.authority()) != hosts_.end()) return true;
  if (networks_.empty()) return false;
  const auto literal = find_ip_address(url.host);
  const auto addresses = literal ? std::vector<IpAddress>{*literal} : look_up_in_time(url.host);
  return std::any_of(addresses.begin(), addresses.end(), [&](const IpAddress& address) {
    return std::any_of(networks_.begin(), networks_.end(), [&](const Cidr& cidr) { return cidr.contains(address); });
  });
}

TlsSettings HostTrust::settings_for(const Url& url) const {
  const std::string authority = url.authority();
  {
    auto known = known_.lock();
    const auto found = known->find(authority);
    if (found != known->end()) return found->second;
  }
  TlsSettings settings = certs_.read_tls(authority);
  if (insecure_.contains(url)) settings.verification = TlsVerification::kOff;
  auto known = known_.lock();
  if (known->size() < kMaxKnownHosts) known->insert_or_assign(authority, settings);
  return settings;
}

}  // namespace lighterd::distribution
