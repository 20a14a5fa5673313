// SPDX-License-Identifier: Apache-2.0
#include "api/http/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;
using base::UniqueFd;

constexpr int kBacklog = 1024;
constexpr mode_t kSocketMode = 0660;

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un local;
};

UniqueFd make_socket(int family) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw base::errno_error(errno, "socket");
  return fd;
}

sockaddr_un local_address(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& text = path.native();
  if (text.empty() || text.size() >= sizeof address.sun_path)
    throw Error(ErrorCode::kInvalidArgument, "bad length of socket path " + text);
  std::memcpy(address.sun_path, text.data(), text.size());
  return address;
}

gid_t group_id(const std::string& name) {
  group entry{};
  group* found = nullptr;
  std::vector<char> buffer(16 * 1024);
  while (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == ERANGE &&
         buffer.size() < 16 * 1024 * 1024)
    buffer.resize(buffer.size() * 2);
  if (found != nullptr) return found->gr_gid;
  const auto number = base::parse_unsigned(name);
  if (!number || *number >= static_cast<gid_t>(-1)) throw Error(ErrorCode::kInvalidArgument, "unknown group " + name);
  return static_cast<gid_t>(*number);
}

// The lock file is removed by its owner: one that was removed before we got the lock does not count.
UniqueFd lock_path(const std::filesystem::path& path) {
  std::filesystem::path lock = path;
  lock += ".lock";
  for (;;) {
    UniqueFd fd = base::open_file(lock, O_RDWR | O_CREAT, 0600);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) throw base::errno_error(errno, "lock " + lock.string());
      throw Error(ErrorCode::kAlreadyExists, "another server has " + path.string());
    }
    struct stat held {};
    struct stat named {};
    if (::fstat(fd.get(), &held) == 0 && ::lstat(lock.c_str(), &named) == 0 && held.st_ino == named.st_ino) return fd;
  }
}

// Only a refusal says that nobody listens: EACCES, say, does not.
void require_stale(const std::filesystem::path& path, const sockaddr_un& address) {
  const UniqueFd fd = make_socket(AF_UNIX);
  const bool connected = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int reason = connected ? 0 : errno;
  if (reason == ECONNREFUSED || reason == ENOENT) return;
  // A full backlog (EAGAIN) is an answer, too.
  if (connected || reason == EAGAIN)
    throw Error(ErrorCode::kAlreadyExists, "another server answers on " + path.string());
  throw Error(ErrorCode::kAlreadyExists,
              "another server may have " + path.string() + ": " + std::generic_category().message(reason));
}

void remove_stale_socket(const std::filesystem::path& path, const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return;
    throw base::errno_error(errno, path.string());
  }
  if (!S_ISSOCK(status.st_mode)) throw Error(ErrorCode::kAlreadyExists, path.string() + " exists and is no socket");
  require_stale(path, address);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw base::errno_error(errno, "remove " + path.string());
}

struct TcpAddress {
  SocketAddress address{};
  socklen_t size = 0;
};

TcpAddress address_v4(in_addr host, std::uint16_t network_port) {
  TcpAddress result;
  result.address.v4.sin_family = AF_INET;
  result.address.v4.sin_addr = host;
  result.address.v4.sin_port = network_port;
  result.size = sizeof result.address.v4;
  return result;
}

TcpAddress address_v6(const in6_addr& host, std::uint16_t network_port) {
  TcpAddress result;
  result.address.v6.sin6_family = AF_INET6;
  result.address.v6.sin6_addr = host;
  result.address.v6.sin6_port = network_port;
  result.size = sizeof result.address.v6;
  return result;
}

// Those to try, in turn: a machine may be without IPv6. Nothing for what is no address.
std::vector<TcpAddress> tcp_addresses(const std::string& host, int port) {
  if (port < 0 || port > 65535) throw Error(ErrorCode::kInvalidArgument, "bad port " + std::to_string(port));
  const auto network_port = htons(static_cast<std::uint16_t>(port));
  const std::string literal = host == "localhost" ? "127.0.0.1" : host;
  in_addr v4{};
  in6_addr v6 = in6addr_any;
  if (host.empty() || host == "*") return {address_v6(v6, network_port), address_v4(v4, network_port)};
  if (::inet_pton(AF_INET, literal.c_str(), &v4) == 1) return {address_v4(v4, network_port)};
  if (::inet_pton(AF_INET6, literal.c_str(), &v6) == 1) return {address_v6(v6, network_port)};
  return {};
}

bool is_loopback_address(const SocketAddress& address) {
  if (address.any.sa_family == AF_INET) return (ntohl(address.v4.sin_addr.s_addr) >> 24) == 127;
  return address.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
}

// Nothing, and errno, when it cannot be bound.
UniqueFd bind_tcp(const TcpAddress& target) {
  const int family = target.address.any.sa_family;
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  const int on = 1;
  const int off = 0;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // All addresses are those of IPv4, too, whatever the system's default.
  if (family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(fd.get(), &target.address.any, target.size) == 0 && ::listen(fd.get(), kBacklog) == 0) return fd;
  const int reason = errno;
  fd.reset();
  errno = reason;
  return fd;
}

SocketAddress bound_address(int fd) {
  SocketAddress address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, &address.any, &size) != 0) throw base::errno_error(errno, "getsockname");
  return address;
}

}  // namespace

Listener Listener::unix_socket(const std::filesystem::path& path, const std::optional<std::string>& group) {
  const sockaddr_un address = local_address(path);
  const std::optional<gid_t> gid = group ? std::optional(group_id(*group)) : std::nullopt;
  Listener listener;
  UniqueFd lock = lock_path(path);
  remove_stale_socket(path, address);
  UniqueFd fd = make_socket(AF_UNIX);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw base::errno_error(errno, "bind " + path.string());
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) throw base::errno_error(errno, path.string());
  listener.fd_ = std::move(fd);
  listener.lock_ = std::move(lock);
  listener.path_ = path;
  listener.inode_ = status.st_ino;
  // Nobody can connect before listen: whoever gets in has passed the final mode and group.
  if (gid && ::chown(path.c_str(), static_cast<uid_t>(-1), *gid) != 0)
    throw base::errno_error(errno, "set the group of " + path.string());
  if (::chmod(path.c_str(), kSocketMode) != 0) throw base::errno_error(errno, "chmod " + path.string());
  if (::listen(listener.fd(), kBacklog) != 0) throw base::errno_error(errno, "listen on " + path.string());
  return listener;
}

Listener Listener::tcp(const std::string& host, int port, const TcpOptions& options) {
  const std::vector<TcpAddress> targets = tcp_addresses(host, port);
  const bool is_loopback = !targets.empty() && is_loopback_address(targets.front().address);
  if (!is_loopback && !options.tls && options.plaintext == PlaintextReach::kLoopbackOnly)
    throw Error(ErrorCode::kPermissionDenied,
                "refusing to listen on " + host + ": without TLS only on a loopback address");
  if (targets.empty()) throw Error(ErrorCode::kInvalidArgument, "cannot listen on " + host + ": no IP address");
  Listener listener;
  listener.tls_ = options.tls;
  for (const TcpAddress& target : targets) {
    listener.fd_ = bind_tcp(target);
    if (listener.fd_ || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) break;
  }
  if (listener.fd_) return listener;
  const std::string name = host + ":" + std::to_string(port);
  if (errno == EADDRINUSE) throw Error(ErrorCode::kAlreadyExists, "another server listens on " + name);
  throw base::errno_error(errno, "listen on " + name);
}

Listener::Listener(Listener&& other) noexcept
    : fd_(std::move(other.fd_)),
      lock_(std::move(other.lock_)),
      tls_(std::move(other.tls_)),
      path_(std::exchange(other.path_, {})),
      inode_(other.inode_) {}

Listener& Listener::operator=(Listener&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::move(other.fd_);
    lock_ = std::move(other.lock_);
    tls_ = std::move(other.tls_);
    path_ = std::exchange(other.path_, {});
    inode_ = other.inode_;
  }
  return *this;
}

Listener::~Listener() {
  close();
}

void Listener::close() noexcept {
  if (fd_ && is_unix()) {
    struct stat status {};
    if (::lstat(path_.c_str(), &status) == 0 && status.st_ino == inode_) ::unlink(path_.c_str());
    ::unlink((path_.native() + ".lock").c_str());
  }
  fd_.reset();
  lock_.reset();
}

bool Listener::is_loopback() const {
  return !is_unix() && is_loopback_address(bound_address(fd()));
}

int Listener::port() const {
  const SocketAddress address = bound_address(fd());
  if (address.any.sa_family == AF_INET) return ntohs(address.v4.sin_port);
  return address.any.sa_family == AF_INET6 ? ntohs(address.v6.sin6_port) : 0;
}

std::string Listener::description() const {
  if (is_unix()) return "unix://" + path_.string();
  const SocketAddress address = bound_address(fd());
  const std::string scheme = tls_ ? "https://" : "tcp://";
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.any.sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &address.v4.sin_addr, text.data(), text.size());
    return scheme + text.data() + ":" + std::to_string(port());
  }
  ::inet_ntop(AF_INET6, &address.v6.sin6_addr, text.data(), text.size());
  return scheme + "[" + text.data() + "]:" + std::to_string(port());
}

}  // namespace lighterd::api
