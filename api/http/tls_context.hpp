// SPDX-License-Identifier: Apache-2.0
// What a TLS listener shows its clients: a certificate with its chain, and the key. TLS 1.2 and later, HTTP/1.1 only.
#pragma once

#include <filesystem>
#include <memory>

struct ssl_ctx_st;

namespace lighterd::api {

class TlsSession;

struct TlsFiles {
  std::filesystem::path certificate;  // PEM, the server's own first
  std::filesystem::path key;          // PEM, not encrypted
};

// Thread-safe once made.
class TlsContext {
 public:
  // Reads the files now. kInvalidArgument, with the file named, when they are missing, broken or do not match.
  explicit TlsContext(const TlsFiles& files);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // The server's side of a connection; keeps alive of this what it needs. The descriptor stays the caller's.
  std::unique_ptr<TlsSession> make_session(int fd) const;

 private:
  struct Deleter {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  std::unique_ptr<ssl_ctx_st, Deleter> context_;
};

}  // namespace lighterd::api
