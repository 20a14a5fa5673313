// SPDX-License-Identifier: Apache-2.0
// What a handler sees of a request. Plain data: knows nothing of sockets, of Pistache or of Docker.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/stream.hpp"

namespace lighterd::api {

// Header fields in the order of arrival; names compare without case.
class Headers {
 public:
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  // The first of that name; pointers live as long as this.
  const std::string* find(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// application/x-www-form-urlencoded pairs in order, decoded; names may repeat.
class Parameters {
 public:
  // Undecodable pairs are kept as they stand, as Go keeps going after a bad pair.
  static Parameters parse(std::string_view encoded);
  const std::string* find(std::string_view name) const;  // the first
  std::vector<std::string> all(std::string_view name) const;
  void append(Parameters more);

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

struct PeerCredentials {
  std::int64_t pid = -1;
  std::int64_t uid = -1;
  std::int64_t gid = -1;
};

struct Request {
  std::string method;    // upper case as received
  std::string path;      // percent-decoded, repeated slashes collapsed
  std::string raw_path;  // as it was sent
  Parameters query;
  Headers headers;
  // Of the route: for "/images/{name...}/json" the value of "name".
  std::vector<std::pair<std::string, std::string>> path_parameters;
  std::optional<PeerCredentials> peer;  // on Unix sockets
  bool is_encrypted = false;            // came over TLS

  // The body as it arrives, blocking, back-pressured, without bound: the handler sets one. Sends "100 Continue"
  // on the first read when the client waits for it. Never null; throws kCancelled when the client is gone
  // midway, kInvalidArgument for bad framing, kDeadlineExceeded after 60 s without a byte.
  base::Source* body = nullptr;

  // Requested when the client went away (seen at once, also while nothing is written) or the server stops. A
  // client that merely closed its writing side counts as gone, but writes to it may still succeed. Callbacks run
  // on the server's I/O thread and must not block. Never requested for inline handlers.
  std::stop_token stop;

  const std::string& path_parameter(std::string_view name) const;  // must exist in the route
};

}  // namespace lighterd::api
