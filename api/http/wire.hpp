// SPDX-License-Identifier: Apache-2.0
// The bytes of one connection, with TLS underneath or without. Everything that touches the socket of a client goes
// through here. The descriptor is non-blocking and belongs to the reactor's transport, which alone closes it. At any
// time one thread reads and writes: the reactor's, or from hand-over to hand-back a worker. peer_state, has_room and
// shut_down ask the kernel only and may come from another.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "api/http/file_body.hpp"
#include "api/http/tls_session.hpp"
#include "api/http/wire_result.hpp"
#include "base/stream.hpp"

namespace lighterd::api {

class Wire {
 public:
  // With a session nothing but the handshake may go on until that is done.
  explicit Wire(int fd, std::unique_ptr<TlsSession> tls = nullptr) : fd_(fd), tls_(std::move(tls)) {}

  int fd() const { return fd_; }
  bool is_tls() const { return tls_ != nullptr; }

  WireResult handshake() { return tls_->handshake(); }
  // After a handshake that failed: whether the client speaks HTTP; what is written from then on is not encrypted.
  bool fall_back_to_plain_http();

  // One non-blocking call each. A read of zero bytes and every socket error are kClosed.
  WireResult read(std::span<std::byte> buffer);
  // At most four. After kWouldBlock the next call has to begin with the same bytes.
  WireResult write(std::span<const base::Bytes> pieces);
  // What has arrived but cannot show as an event of the descriptor any more.
  bool has_buffered_input() const { return tls_ && tls_->has_buffered_input(); }
  // As read, of bytes that nobody wants to know.
  WireResult drain(std::span<std::byte> buffer);

  // The same for threads that may wait: at most `timeout` without a single byte moving.
  // 0 at the end of the stream. Throws kDeadlineExceeded.
  std::size_t read_waiting(std::span<std::byte> buffer, std::chrono::milliseconds timeout);
  // All of it. Throws kCancelled when the client is gone or takes nothing for that long.
  void write_waiting(std::span<const base::Bytes> pieces, std::chrono::milliseconds timeout);
  void write_waiting(base::Bytes data, std::chrono::milliseconds timeout) { write_waiting({&data, 1}, timeout); }
  // Sends the body on. False when the client takes nothing for `patience`: to be called again then. Throws kCancelled
  // when the client is gone, kDataLoss when the file ends early.
  bool send_file(FileBody& body, std::chrono::milliseconds patience);

  // Whether a small write goes out without waiting.
  bool has_room() const;

  // Whether the client closed its writing side (kHalf) or is gone altogether (kGone).
  enum class PeerState { kOpen, kHalf, kGone };
  PeerState peer_state() const;

  // What was written is all there is, and under TLS provably so.
  void end_writing() noexcept;
  // Under TLS that, without ending the connection: for the close that follows.
  void close_notify() noexcept;
  // Ends every wait of the worker that owns the connection.
  void shut_down();
  // The close that follows discards what is unsent and resets a TCP connection.
  void reset_on_close();

 private:
  // False after the timeout.
  bool wait_for(WireEvent event, std::chrono::milliseconds timeout) const;
  // What send_file does, without TLS and with.
  bool send_plain(FileBody& body, std::chrono::milliseconds patience);
  bool send_encrypted(FileBody& body, std::chrono::milliseconds patience);

  int fd_;
  std::unique_ptr<TlsSession> tls_;
};

}  // namespace lighterd::api
