// SPDX-License-Identifier: Apache-2.0
// TLS on the descriptor of one connection, the server's side, with the calls of a Wire: none of them waits. One thread
// at a time; none may be made once one of them was kClosed, but close_notify.
#pragma once

#include <memory>
#include <span>

#include "api/http/wire_result.hpp"
#include "base/stream.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace lighterd::api {

class TlsSession {
 public:
  TlsSession(ssl_ctx_st* context, int fd);
  ~TlsSession();

  // Until it is kDone nothing else may be called. kClosed after an alert has been sent where there is one.
  WireResult handshake();
  // After kClosed of the handshake: the client spoke HTTP, and would understand an answer in it.
  bool is_plain_http() const { return is_plain_http_; }

  // kClosed at the client's close_notify, too.
  WireResult read(std::span<std::byte> buffer);
  // Part of what was given, at most one record. After kWouldBlock the next call has to begin with the same bytes.
  WireResult write(std::span<const base::Bytes> pieces);
  // Bytes that have left the socket already: no event will tell of them.
  bool has_buffered_input() const;

  // Tells the client that what it got is all. Without waiting: whoever reads nothing is not told.
  void close_notify() noexcept;

 private:
  struct Deleter {
    void operator()(ssl_st* ssl) const noexcept;
  };

  WireResult result_of(int count);

  std::unique_ptr<ssl_st, Deleter> ssl_;
  bool is_plain_http_ = false;
  bool is_broken_ = true;  // until the handshake is done
};

}  // namespace lighterd::api
