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

WireResult failed_call() {
  const bool later = errno == EAGAIN || errno == EWOULDBLOCK;
  return {later ? WireStatus::kWouldBlock : WireStatus::kClosed};
}

[[noreturn]] void throw_client_gone() {
  throw Error(ErrorCode::kCancelled, "the client closed the connection");
}

[[noreturn]] void throw_client_stalled() {
  throw Error(ErrorCode::kCancelled, "the client takes no data");
}

}  // namespace

WireResult Wire::read(std::span<std::byte> buffer) {
  for (;;) {
    const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count > 0) return {WireStatus::kDone, static_cast<std::size_t>(count)};
    if (count == 0) return {WireStatus::kClosed};
    if (errno != EINTR) return failed_call();
  }
}

WireResult Wire::write(std::span<const base::Bytes> pieces) {
  std::array<iovec, kMaxPieces> vectors{};
  std::size_t used = 0;
  for (const base::Bytes& piece : pieces.first(std::min(pieces.size(), kMaxPieces)))
    vectors[used++] = {const_cast<std::byte*>(piece.data()), piece.size()};
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = used;
  for (;;) {
    const ssize_t count = ::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0) return {WireStatus::kDone, static_cast<std::size_t>(count)};
    if (errno != EINTR) return failed_call();
  }
}

bool Wire::wait_for(short events, milliseconds timeout) const {
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
    if (!wait_for(POLLIN, timeout)) throw Error(ErrorCode::kDeadlineExceeded, "the client sends no data");
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
    if (result.status == WireStatus::kWouldBlock && !wait_for(POLLOUT, timeout)) throw_client_stalled();
    std::size_t sent = result.bytes;
    while (!left.empty() && sent >= left.front().size()) {
      sent -= left.front().size();
      left = left.subspan(1);
    }
    if (!left.empty()) left.front() = left.front().subspan(sent);
  }
}

void Wire::write_file_waiting(int file, std::uint64_t offset_bytes, std::uint64_t length_bytes, milliseconds timeout) {
  auto offset = static_cast<off_t>(offset_bytes);
  while (length_bytes > 0) {
    const ssize_t count = ::sendfile(fd_, file, &offset, std::min(length_bytes, kSendfileStepBytes));
    if (count > 0) {
      length_bytes -= static_cast<std::uint64_t>(count);
    } else if (count == 0) {
      throw Error(ErrorCode::kDataLoss, "file ended before its promised length");
    } else if (errno == EAGAIN) {
      if (!wait_for(POLLOUT, timeout)) throw_client_stalled();
    } else if (errno == EPIPE || errno == ECONNRESET) {
      throw_client_gone();
    } else if (errno != EINTR) {
      throw base::errno_error(errno, "sendfile");
    }
  }
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

void Wire::shut_down_writing() {
  ::shutdown(fd_, SHUT_WR);
}

void Wire::shut_down() {
  ::shutdown(fd_, SHUT_RDWR);
}

void Wire::reset_on_close() {
  const linger option{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &option, sizeof option);
}

}  // namespace lighterd::api
