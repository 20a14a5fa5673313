// SPDX-License-Identifier: Apache-2.0
// Listening sockets: Unix and loopback TCP now; TLS and inherited descriptors will be further factories here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/file.hpp"

namespace lighterd::api {

class Listener {
 public:
  // Binds a Unix socket with mode 0660 and, if given, the group, both set before listen (security-reliability
  // rule 35). A socket file on which nobody answers is removed; if somebody answers: kAlreadyExists. A path that
  // is no socket is never removed: kAlreadyExists. Unknown group: kInvalidArgument. "<path>.lock" is held locked
  // meanwhile, so that of two servers that start at once one fails.
  static Listener unix_socket(const std::filesystem::path& path, const std::optional<std::string>& group);

  // host must be a loopback address or "localhost" (which is 127.0.0.1): kPermissionDenied otherwise. Port 0
  // takes a free one; a port in use: kAlreadyExists.
  static Listener loopback_tcp(const std::string& host, int port);

  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&& other) noexcept;
  ~Listener();  // removes the socket file that it made

  int fd() const { return fd_.get(); }
  bool is_unix() const { return !path_.empty(); }
  int port() const;                 // of a TCP listener
  std::string description() const;  // "unix:///run/x.sock", "tcp://127.0.0.1:2375"

 private:
  Listener() = default;
  void close() noexcept;

  base::UniqueFd fd_;
  base::UniqueFd lock_;
  std::filesystem::path path_;
  std::uint64_t inode_ = 0;  // of the socket file: another server's is not removed
};

}  // namespace lighterd::api
