// SPDX-License-Identifier: Apache-2.0
#include "api/http/tls_session.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"

namespace lighterd::api {
namespace {

// What fits into one record of TLS.
constexpr std::size_t kRecordBytes = 16 * 1024;

int as_int(std::size_t bytes) {
  return static_cast<int>(std::min<std::size_t>(bytes, 1024 * 1024));
}

}  // namespace

void TlsSession::Deleter::operator()(ssl_st* ssl) const noexcept {
  SSL_free(ssl);
}

TlsSession::TlsSession(ssl_ctx_st* context, int fd) : ssl_(SSL_new(context)) {
  if (!ssl_ || SSL_set_fd(ssl_.get(), fd) != 1) {
    ERR_clear_error();
    throw base::Error(base::ErrorCode::kInternal, "cannot set up TLS for a connection");
  }
  SSL_set_accept_state(ssl_.get());
}

TlsSession::~TlsSession() = default;

// The queue of errors is the thread's, and threads serve many connections: it is empty before each call and after.
WireResult TlsSession::result_of(int count) {
  switch (SSL_get_error(ssl_.get(), count)) {
    case SSL_ERROR_NONE:
      return {WireStatus::kDone, static_cast<std::size_t>(count)};
    case SSL_ERROR_WANT_READ:
      return {WireStatus::kWouldBlock, 0, WireEvent::kReadable};
    case SSL_ERROR_WANT_WRITE:
      return {WireStatus::kWouldBlock, 0, WireEvent::kWritable};
    case SSL_ERROR_ZERO_RETURN:
      return {WireStatus::kClosed};
    default:
      is_plain_http_ = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
      is_broken_ = true;
      ERR_clear_error();
      return {WireStatus::kClosed};
  }
}

WireResult TlsSession::handshake() {
  ERR_clear_error();
  const WireResult result = result_of(SSL_do_handshake(ssl_.get()));
  if (result.status == WireStatus::kDone) is_broken_ = false;
  return result;
}

WireResult TlsSession::read(std::span<std::byte> buffer) {
  ERR_clear_error();
  return result_of(SSL_read(ssl_.get(), buffer.data(), as_int(buffer.size())));
}

// Small pieces share a record, and so a packet.
WireResult TlsSession::write(std::span<const base::Bytes> pieces) {
  while (!pieces.empty() && pieces.front().empty()) pieces = pieces.subspan(1);
  if (pieces.empty()) return {WireStatus::kDone, 0};
  ERR_clear_error();
  const base::Bytes first = pieces.front();
  if (pieces.size() == 1 || first.size() >= kRecordBytes)
    return result_of(SSL_write(ssl_.get(), first.data(), as_int(first.size())));
  std::array<std::byte, kRecordBytes> record;
  std::size_t used = 0;
  for (const base::Bytes& piece : pieces) {
    const base::Bytes fitting = piece.first(std::min(piece.size(), record.size() - used));
    std::ranges::copy(fitting, record.begin() + static_cast<std::ptrdiff_t>(used));
    used += fitting.size();
  }
  return result_of(SSL_write(ssl_.get(), record.data(), as_int(used)));
}

bool TlsSession::has_buffered_input() const {
  return SSL_has_pending(ssl_.get()) == 1;
}

// OpenSSL forbids it after a failure.
void TlsSession::close_notify() noexcept {
  if (is_broken_) return;
  ERR_clear_error();
  if (SSL_shutdown(ssl_.get()) < 0) is_broken_ = true;
  ERR_clear_error();
}

}  // namespace lighterd::api
