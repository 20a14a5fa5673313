// SPDX-License-Identifier: Apache-2.0
#include "api/http/wire.hpp"

#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxPieces = 4;
constexpr std::uint64_t kSendfileStepBytes = 1024 * 1024;

// Of a file that is encrypted: what a worker holds in memory of it.
constexpr std::size_t kFileBlockBytes = 64 * 1024;
constexpr const char* kFileName = "the file of an answer";

WireResult failed_call(WireEvent event) {
  const bool later = errno == EAGAIN || errno == EWOULDBLOCK;
  return {later ? WireStatus::kWouldBlock : WireStatus::kClosed, 0, event};
}

WireResult receive(int fd, std::span<std::byte> buffer) {
  for (;;) {
    const ssize_t count = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count > 0) return {WireStatus::kDone, static_cast<std::size_t>(count)};
    if (count == 0) return {WireStatus::kClosed};
    if (errno != EINTR) return failed_call(WireEvent::kReadable);
  }
}

enum class Follows { kNothing, kMore };

WireResult send_pieces(int fd, std::span<const base::Bytes> pieces, Follows follows) {
  std::array<iovec, kMaxPieces> vectors{};
  std::size_t used = 0;
  for (const base::Bytes& piece : pieces.first(std::min(pieces.size(), kMaxPieces)))
    vectors[used++] = {const_cast<std::byte*>(piece.data()), piece.size()};
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = used;
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (follows == Follows::kMore ? MSG_MORE : 0);
  for (;;) {
    const ssize_t count = ::sendmsg(fd, &message, flags);
    if (count >= 0) return {WireStatus::kDone, static_cast<std::size_t>(count)};
    if (errno != EINTR) return failed_call(WireEvent::kWritable);
  }
}

void drop_front(std::span<base::Bytes>& pieces, std::size_t bytes) {
  while (!pieces.empty() && bytes >= pieces.front().size()) {
    bytes -= pieces.front().size();
    pieces = pieces.subspan(1);
  }
  if (!pieces.empty()) pieces.front() = pieces.front().subspan(bytes);
}

[[noreturn]] void throw_client_gone() {
  throw Error(ErrorCode::kCancelled, "the client closed the connection");
}

[[noreturn]] void throw_client_stalled() {
  throw Error(ErrorCode::kCancelled, "the client takes no data");
}

}  // namespace

bool Wire::fall_back_to_plain_http() {
  if (!tls_ || !tls_->is_plain_http()) return false;
  tls_.reset();
  return true;
}

WireResult Wire::read(std::span<std::byte> buffer) {
  return tls_ ? tls_->read(buffer) : receive(fd_, buffer);
}

WireResult Wire::write(std::span<const base::Bytes> pieces) {
  return tls_ ? tls_->write(pieces) : send_pieces(fd_, pieces, Follows::kNothing);
}

WireResult Wire::drain(std::span<std::byte> buffer) {
  return receive(fd_, buffer);
}

bool Wire::wait_for(WireEvent event, milliseconds timeout) const {
  const short events = event == WireEvent::kReadable ? POLLIN : POLLOUT;
  const auto deadline = Clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    pollfd entry{fd_, events, 0};
    const int count = ::poll(&entry, 1, static_cast<int>(std::max(left, milliseconds(0)).count()));
    if (count > 0) return true;
    if (count == 0) return false;
    if (errno != EINTR) throw base::errno_error(errno, "poll");
  }
}

std::size_t Wire::read_waiting(std::span<std::byte> buffer, milliseconds timeout) {
  for (;;) {
    const WireResult result = read(buffer);
    if (result.status == WireStatus::kDone) return result.bytes;
    if (result.status == WireStatus::kClosed) return 0;
    if (!wait_for(result.waits_for, timeout)) throw Error(ErrorCode::kDeadlineExceeded, "the client sends no data");
  }
}

void Wire::write_waiting(std::span<const base::Bytes> pieces, milliseconds timeout) {
  std::array<base::Bytes, kMaxPieces> rest;
  std::size_t count = 0;
  for (const base::Bytes& piece : pieces)
    if (!piece.empty()) rest.at(count++) = piece;
  std::span<base::Bytes> left(rest.data(), count);
  while (!left.empty()) {
    const WireResult result = write(left);
    if (result.status == WireStatus::kClosed) throw_client_gone();
    if (result.status == WireStatus::kWouldBlock && !wait_for(result.waits_for, timeout)) throw_client_stalled();
    drop_front(left, result.bytes);
  }
}

bool Wire::send_file(FileBody& body, milliseconds patience) {
  return tls_ ? send_encrypted(body, patience) : send_plain(body, patience);
}

// The kernel sends the head together with the file's first bytes.
bool Wire::send_plain(FileBody& body, milliseconds patience) {
  while (!body.head.empty()) {
    const base::Bytes head = base::as_bytes(body.head);
    const WireResult result = send_pieces(fd_, {&head, 1}, body.left_bytes > 0 ? Follows::kMore : Follows::kNothing);
    if (result.status == WireStatus::kClosed) throw_client_gone();
    if (result.status == WireStatus::kWouldBlock && !wait_for(WireEvent::kWritable, patience)) return false;
    body.head.erase(0, result.bytes);
  }
  while (body.left_bytes > 0) {
    auto offset = static_cast<off_t>(body.offset_bytes);
    const ssize_t count = ::sendfile(fd_, body.file.get(), &offset, std::min(body.left_bytes, kSendfileStepBytes));
    if (count > 0) {
      body.offset_bytes += static_cast<std::uint64_t>(count);
      body.left_bytes -= static_cast<std::uint64_t>(count);
    } else if (count == 0) {
      throw Error(ErrorCode::kDataLoss, "file ended before its promised length");
    } else if (errno == EAGAIN) {
      if (!wait_for(WireEvent::kWritable, patience)) return false;
    } else if (errno == EPIPE || errno == ECONNRESET) {
      throw_client_gone();
    } else if (errno != EINTR) {
      throw base::errno_error(errno, "sendfile");
    }
  }
  return true;
}

// What is given up in the middle is read again from the same place: TLS wants to see the same bytes then.
bool Wire::send_encrypted(FileBody& body, milliseconds patience) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kFileBlockBytes);
  while (!body.is_sent()) {
    const std::span<std::byte> block(buffer.get(), std::min<std::uint64_t>(kFileBlockBytes, body.left_bytes));
    const std::size_t count =
        block.empty() ? 0
                      : base::read_at(body.file.get(), block, static_cast<std::int64_t>(body.offset_bytes), kFileName);
    if (count < block.size()) throw Error(ErrorCode::kDataLoss, "file ended before its promised length");
    std::size_t used = 0;
    while (!body.head.empty() || used < block.size()) {
      const std::array<base::Bytes, 2> pieces = {base::as_bytes(body.head), base::Bytes(block).subspan(used)};
      const WireResult result = write(pieces);
      if (result.status == WireStatus::kClosed) throw_client_gone();
      if (result.status == WireStatus::kWouldBlock && !wait_for(result.waits_for, patience)) return false;
      const std::size_t of_head = std::min(result.bytes, body.head.size());
      body.head.erase(0, of_head);
      used += result.bytes - of_head;
      body.offset_bytes += result.bytes - of_head;
      body.left_bytes -= result.bytes - of_head;
    }
  }
  return true;
}

bool Wire::has_room() const {
  pollfd entry{fd_, POLLOUT, 0};
  return ::poll(&entry, 1, 0) > 0;
}

Wire::PeerState Wire::peer_state() const {
  pollfd entry{fd_, POLLRDHUP, 0};
  if (::poll(&entry, 1, 0) <= 0) return PeerState::kOpen;
  if ((entry.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return PeerState::kGone;
  return (entry.revents & POLLRDHUP) != 0 ? PeerState::kHalf : PeerState::kOpen;
}

void Wire::end_writing() noexcept {
  close_notify();
  ::shutdown(fd_, SHUT_WR);
}

void Wire::close_notify() noexcept {
  if (tls_) tls_->close_notify();
}

void Wire::shut_down() {
  ::shutdown(fd_, SHUT_RDWR);
}

void Wire::reset_on_close() {
  const linger option{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &option, sizeof option);
}

}  // namespace lighterd::api
