// SPDX-License-Identifier: Apache-2.0
// The bytes of one connection. Everything that touches the socket of a client goes through here, so that TLS
// can be put underneath. The descriptor is non-blocking and belongs to the reactor's transport, which alone
// closes it. At any time one thread reads and writes; shut_down may come from another.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

#include "base/stream.hpp"

namespace lighterd::api {

enum class WireStatus { kDone, kWouldBlock, kClosed };

struct WireResult {
  WireStatus status;
  std::size_t bytes = 0;
};

class Wire {
 public:
  explicit Wire(int fd) : fd_(fd) {}

  int fd() const { return fd_; }

  // One non-blocking call each. A read of zero bytes and every socket error are kClosed.
  WireResult read(std::span<std::byte> buffer);
  WireResult write(std::span<const base::Bytes> pieces);  // at most four

  // The same for threads that may wait: at most `timeout` without a single byte moving.
  // 0 at the end of the stream. Throws kDeadlineExceeded.
  std::size_t read_waiting(std::span<std::byte> buffer, std::chrono::milliseconds timeout);
  // All of it. Throws kCancelled when the client is gone or takes nothing for that long.
  void write_waiting(std::span<const base::Bytes> pieces, std::chrono::milliseconds timeout);
  void write_waiting(base::Bytes data, std::chrono::milliseconds timeout) { write_waiting({&data, 1}, timeout); }
  // As write_waiting; kDataLoss when the file ends early.
  void write_file_waiting(int file, std::uint64_t offset_bytes, std::uint64_t length_bytes,
                          std::chrono::milliseconds timeout);

  // Whether a small write goes out without waiting.
  bool has_room() const;

  // Whether the client closed its writing side (kHalf) or is gone altogether (kGone).
  enum class PeerState { kOpen, kHalf, kGone };
  PeerState peer_state() const;

  void shut_down_writing();
  // Ends every wait of the worker that owns the connection.
  void shut_down();
  // The close that follows discards what is unsent and resets a TCP connection.
  void reset_on_close();

 private:
  // False after the timeout.
  bool wait_for(short events, std::chrono::milliseconds timeout) const;

  int fd_;
};

}  // namespace lighterd::api
