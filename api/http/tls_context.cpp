// SPDX-License-Identifier: Apache-2.0
#include "api/http/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string>

#include "api/http/tls_session.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;

// The wire format of ALPN: a length and a name.
constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

// Takes the errors of this thread; the first is what the others follow from.
std::string taken_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "not usable" : reason;
}

[[noreturn]] void throw_unusable(const std::filesystem::path& file) {
  throw Error(ErrorCode::kInvalidArgument, "TLS file " + file.string() + ": " + taken_reason());
}

// Nobody is there to be asked: without this OpenSSL would ask on the terminal.
int refuse_password(char*, int, int, void*) {
  return 0;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  unsigned char* found = nullptr;
  const int verdict = SSL_select_next_proto(&found, size, kHttp11, sizeof kHttp11, offered, offered_size);
  *chosen = found;
  return verdict == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void load_files(SSL_CTX* context, const TlsFiles& files) {
  SSL_CTX_set_default_passwd_cb(context, refuse_password);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1) throw_unusable(files.certificate);
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) throw_unusable(files.key);
  if (SSL_CTX_check_private_key(context) != 1) throw_unusable(files.key);
}

}  // namespace

void TlsContext::Deleter::operator()(ssl_ctx_st* context) const noexcept {
  SSL_CTX_free(context);
}

TlsContext::TlsContext(const TlsFiles& files) : context_(SSL_CTX_new(TLS_server_method())) {
  SSL_CTX* context = context_.get();
  if (context == nullptr) throw Error(ErrorCode::kInternal, "cannot set up TLS: " + taken_reason());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // The partial write is what lets a worker stop between records; an idle connection keeps no buffers.
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  // Tickets resume sessions; a cache would grow with the number of clients.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  load_files(context, files);
}

TlsContext::~TlsContext() = default;

std::unique_ptr<TlsSession> TlsContext::make_session(int fd) const {
  return std::make_unique<TlsSession>(context_.get(), fd);
}

}  // namespace lighterd::api
