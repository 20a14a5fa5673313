// SPDX-License-Identifier: Apache-2.0
// Listening sockets: Unix and loopback TCP now; TLS and inherited descriptors will be further factories here.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/file.hpp"

namespace lighterd::api {

class Listener {
 public:
  // Binds a Unix socket with mode 0660 and, if given, the group, both set before listen (security-reliability
  // rule 35). A socket file on which nobody answers is removed; if somebody answers: kAlreadyExists. A path that
  // is no socket is never removed: kAlreadyExists. Unknown group: kInvalidArgument.
  static Listener unix_socket(const std::filesystem::path& path, const std::optional<std::string>& group);

  // host must be a loopback address or "localhost": kPermissionDenied otherwise. Port 0 takes a free one.
  static Listener loopback_tcp(const std::string& host, int port);

  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();  // removes the socket file that it made

  int fd() const { return fd_.get(); }
  bool is_unix() const { return !path_.empty(); }
  int port() const;                 // of a TCP listener
  std::string description() const;  // "unix:///run/x.sock", "tcp://127.0.0.1:2375"

 private:
  Listener() = default;
  base::UniqueFd fd_;
  std::filesystem::path path_;
};

}  // namespace lighterd::api
