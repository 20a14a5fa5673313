// SPDX-License-Identifier: Apache-2.0
// Listening sockets: Unix, and TCP with TLS or without.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/file.hpp"

namespace lighterd::api {

class TlsContext;

// Where a listener without TLS may be bound.
enum class PlaintextReach { kLoopbackOnly, kAnywhere };

struct TcpOptions {
  PlaintextReach plaintext = PlaintextReach::kLoopbackOnly;
  std::shared_ptr<const TlsContext> tls = nullptr;  // none: plaintext
};

class Listener {
 public:
  // Binds a Unix socket with mode 0660 and, if given, the group, both set before listen (security-reliability
  // rule 35). A socket file on which nobody answers is removed; if somebody answers: kAlreadyExists. A path that
  // is no socket is never removed: kAlreadyExists. Unknown group: kInvalidArgument. "<path>.lock" is held locked
  // meanwhile, so that of two servers that start at once one fails.
  static Listener unix_socket(const std::filesystem::path& path, const std::optional<std::string>& group);

  // host is an IPv4 or IPv6 address without brackets, "localhost" (which is 127.0.0.1), or "" or "*" for all addresses
  // of the machine. kPermissionDenied where the options allow loopback alone, kInvalidArgument for what is no address.
  // Port 0 takes a free one; a port in use: kAlreadyExists.
  static Listener tcp(const std::string& host, int port, const TcpOptions& options);
  static Listener loopback_tcp(const std::string& host, int port) { return tcp(host, port, {}); }

  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&& other) noexcept;
  ~Listener();  // removes the socket file that it made

  int fd() const { return fd_.get(); }
  bool is_unix() const { return !path_.empty(); }
  const TlsContext* tls() const { return tls_.get(); }
  bool is_loopback() const;         // of a TCP listener: no other machine reaches it
  int port() const;                 // of a TCP listener
  std::string description() const;  // "unix:///run/x.sock", "tcp://127.0.0.1:2375", "https://[::]:5000"

 private:
  Listener() = default;
  void close() noexcept;

  base::UniqueFd fd_;
  base::UniqueFd lock_;
  std::shared_ptr<const TlsContext> tls_;
  std::filesystem::path path_;
  std::uint64_t inode_ = 0;  // of the socket file: another server's is not removed
};

}  // namespace lighterd::api
