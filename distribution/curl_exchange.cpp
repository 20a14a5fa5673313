// SPDX-License-Identifier: Apache-2.0
#include "distribution/curl_exchange.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>

#include "base/encoding.hpp"
#include "base/file.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;
using Clock = std::chrono::steady_clock;

constexpr long kBufferBytes = 256 * 1024;
// What leaves the machine between two signs of life of an upload, and so the slowest uplink that is no stall.
constexpr long kUploadBufferBytes = 16 * 1024;
constexpr int kMaxUnsentBytes = 32 * 1024;
constexpr std::size_t kMaxHeaders = 256;
constexpr std::size_t kMaxHeaderBytes = 64 * 1024;
constexpr long kHappyEyeballsMs = 300;
constexpr std::size_t kMaxRootsBytes = 16 * 1024 * 1024;
constexpr std::chrono::milliseconds kLongestPoll{1000};
constexpr std::int64_t kMaxSilentResendBytes = 64 * 1024;
// Less than this in kSlowTimeouts stall timeouts is no progress either.
constexpr std::int64_t kLeastBytes = 1024;
constexpr int kSlowTimeouts = 3;

std::optional<IpAddress> address_of(const sockaddr& address) {
  std::array<std::uint8_t, 16> bytes{};
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return IpAddress(bytes);
  }
  if (address.sa_family != AF_INET) return std::nullopt;
  sockaddr_in v4{};
  std::memcpy(&v4, &address, sizeof v4);
  bytes[10] = bytes[11] = 0xFF;
  std::memcpy(bytes.data() + 12, &v4.sin_addr, 4);
  return IpAddress(bytes);
}

std::string endpoint_text(const sockaddr& address, socklen_t length) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (getnameinfo(&address, length, host.data(), host.size(), port.data(), port.size(),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return {};
  }
  const std::string name(host.data());
  return (name.find(':') == std::string::npos ? name : "[" + name + "]") + ":" + port.data();
}

// "proxy.example:3128": never the password.
std::string proxy_name(std::string_view proxy) {
  const std::size_t scheme = proxy.find("://");
  if (scheme != std::string_view::npos) proxy.remove_prefix(scheme + 3);
  proxy = proxy.substr(0, proxy.find('/'));
  const std::size_t at = proxy.rfind('@');
  if (at != std::string_view::npos) proxy.remove_prefix(at + 1);
  return base::printable(proxy, 300);
}

}  // namespace

SystemRoots::SystemRoots() {
  const auto value = [](const char* name, const char* otherwise) {
    const char* set = std::getenv(name);
    if (set == nullptr || *set == '\0') set = otherwise;
    return set == nullptr ? std::string() : std::string(set);
  };
  const curl_version_info_data* info = curl_version_info(CURLVERSION_NOW);
  file_ = value("SSL_CERT_FILE", info->cainfo);
  folder_ = value("SSL_CERT_DIR", info->capath);
}

std::string SystemRoots::read_file() const {
  if (file_.empty() || !std::filesystem::exists(file_)) return {};
  return base::read_file(std::filesystem::canonical(file_), kMaxRootsBytes);
}

const TlsSettings& tls_of(const HttpRequest& request) {
  static const TlsSettings kDefaults;
  return request.tls ? *request.tls : kDefaults;
}

CurlExchange::CurlExchange(const HttpRequest& request, const OnHead& on_head, std::size_t max_body_bytes,
                           std::optional<std::string> proxy, const SystemRoots& roots)
    : request_(request),
      tls_(tls_of(request)),
      roots_(roots),
      on_head_(on_head),
      max_body_bytes_(max_body_bytes),
      proxy_(std::move(proxy)),
      started_(Clock::now()),
      last_activity_(started_),
      window_start_(started_) {}

bool CurlExchange::may_send_again() const {
  return sent_bytes_ == 0 || request_.body->length_bytes <= kMaxSilentResendBytes;
}

void CurlExchange::configure(CURL* easy) {
  curl_easy_reset(easy);
  CurlOptions options(easy);
  configure_transport(options);
  configure_tls(options);
  configure_body(options);
  configure_headers(options);
}

void CurlExchange::configure_transport(CurlOptions& options) {
  options.set_option(CURLOPT_URL, request_.url);
  options.set_option(CURLOPT_PROTOCOLS_STR, "http,https");
  options.set_option(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  options.set_option(CURLOPT_FOLLOWLOCATION, 0L);
  options.set_option(CURLOPT_UNRESTRICTED_AUTH, 0L);
  options.set_option(CURLOPT_AUTOREFERER, 0L);
  options.set_option(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  options.set_option(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  options.set_option(CURLOPT_PATH_AS_IS, 1L);
  options.set_option(CURLOPT_NOSIGNAL, 1L);
  // Without it a stop during a DNS look-up would wait for getaddrinfo to return.
  options.set_option(CURLOPT_QUICK_EXIT, 1L);
  options.set_option(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  options.set_option(CURLOPT_BUFFERSIZE, kBufferBytes);
  options.set_option(CURLOPT_UPLOAD_BUFFERSIZE, kUploadBufferBytes);
  options.set_option(CURLOPT_TCP_NODELAY, 1L);
  options.set_option(CURLOPT_TCP_KEEPALIVE, 1L);
  options.set_option(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  options.set_option(CURLOPT_PROXY, proxy_ ? proxy_->c_str() : "");
  options.set_option(CURLOPT_NOPROXY, "");
  options.set_option(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.connect_timeout.count()));
  options.set_option(CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, kHappyEyeballsMs);
  options.set_pointer(CURLOPT_ERRORBUFFER, error_text_.data());
  options.set_function(CURLOPT_OPENSOCKETFUNCTION, &CurlExchange::on_open_socket);
  options.set_pointer(CURLOPT_OPENSOCKETDATA, this);
  options.set_function(CURLOPT_PREREQFUNCTION, &CurlExchange::on_connected);
  options.set_pointer(CURLOPT_PREREQDATA, this);
  options.set_function(CURLOPT_HEADERFUNCTION, &CurlExchange::on_header);
  options.set_pointer(CURLOPT_HEADERDATA, this);
  options.set_function(CURLOPT_WRITEFUNCTION, &CurlExchange::on_write);
  options.set_pointer(CURLOPT_WRITEDATA, this);
}

void CurlExchange::configure_tls(CurlOptions& options) {
  options.set_option(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  const bool verify = tls_.verification == TlsVerification::kRequired;
  options.set_option(CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
  options.set_option(CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
  if (const auto& file = roots_.file(); !file.empty()) options.set_option(CURLOPT_CAINFO, file);
  if (const auto& folder = roots_.folder(); !folder.empty()) options.set_option(CURLOPT_CAPATH, folder);
  if (verify && !tls_.extra_ca_pems.empty()) {
    // It takes the place of CAINFO: the system's roots have to be in it.
    std::string roots = roots_.read_file();
    for (const std::string& pem : tls_.extra_ca_pems) roots += "\n" + pem;
    options.set_blob(CURLOPT_CAINFO_BLOB, roots);
  }
  if (!tls_.client_certificate_pem.empty()) {
    options.set_blob(CURLOPT_SSLCERT_BLOB, tls_.client_certificate_pem);
    options.set_blob(CURLOPT_SSLKEY_BLOB, tls_.client_key_pem.reveal());
  }
}

void CurlExchange::configure_body(CurlOptions& options) {
  if (request_.body && request_.body->length_bytes > 0) {
    options.set_option(CURLOPT_UPLOAD, 1L);
    options.set_size(CURLOPT_INFILESIZE_LARGE, request_.body->length_bytes);
    options.set_function(CURLOPT_READFUNCTION, &CurlExchange::on_read);
    options.set_pointer(CURLOPT_READDATA, this);
    options.set_function(CURLOPT_SEEKFUNCTION, &CurlExchange::on_seek);
    options.set_pointer(CURLOPT_SEEKDATA, this);
  } else if (request_.method == "POST" || request_.method == "PUT" || request_.method == "PATCH") {
    // "Content-Length: 0" is required of them.
    options.set_option(CURLOPT_POST, 1L);
    options.set_size(CURLOPT_POSTFIELDSIZE_LARGE, 0);
    options.set_option(CURLOPT_POSTFIELDS, "");
  } else if (request_.method == "HEAD") {
    options.set_option(CURLOPT_NOBODY, 1L);
  }
  if (request_.method != "HEAD" && request_.method != "GET") options.set_option(CURLOPT_CUSTOMREQUEST, request_.method);
}

void CurlExchange::configure_headers(CurlOptions& options) {
  bool has_type = false;
  for (const auto& [name, value] : request_.headers) {
    has_type = has_type || base::equals_ignoring_case(name, "Content-Type");
    lines_.add(name, value);
  }
  if (!request_.authorization.empty()) lines_.add("Authorization", request_.authorization.reveal());
  if (!request_.cookies.empty()) lines_.add("Cookie", request_.cookies.reveal());
  // Offsets and digests are of the bytes on the wire.
  lines_.add("Accept-Encoding", "identity");
  if (!has_type) {
    if (request_.body && !request_.body->content_type.empty()) {
      lines_.add("Content-Type", request_.body->content_type);
    } else {
      lines_.suppress("Content-Type");
    }
  }
  lines_.suppress("Expect");
  options.set_pointer(CURLOPT_HTTPHEADER, lines_.list());
}

std::size_t CurlExchange::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto& exchange = *static_cast<CurlExchange*>(self);
  return exchange.guarded(std::size_t{0}, [&] {
    exchange.take_header({data, size * count});
    exchange.note_activity(size * count);
    return size * count;
  });
}

std::size_t CurlExchange::on_write(char* data, std::size_t size, std::size_t count, void* self) {
  auto& exchange = *static_cast<CurlExchange*>(self);
  return exchange.guarded(std::size_t{0}, [&] {
    exchange.take_body({data, size * count});
    // After the sink: the time that a slow disk takes is not the server's.
    exchange.note_activity(size * count);
    return size * count;
  });
}

std::size_t CurlExchange::on_read(char* data, std::size_t size, std::size_t count, void* self) {
  auto& exchange = *static_cast<CurlExchange*>(self);
  return exchange.guarded(std::size_t{CURL_READFUNC_ABORT}, [&] {
    const std::size_t given = exchange.give_body({data, size * count});
    exchange.sent_bytes_ += static_cast<std::int64_t>(given);
    exchange.note_activity(given);
    return given;
  });
}

int CurlExchange::on_seek(void* self, curl_off_t offset, int origin) {
  auto& exchange = *static_cast<CurlExchange*>(self);
  if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  if (!exchange.may_send_again()) return CURL_SEEKFUNC_FAIL;
  return exchange.guarded(CURL_SEEKFUNC_FAIL, [&] {
    exchange.source_ = nullptr;
    exchange.sent_bytes_ = 0;
    return CURL_SEEKFUNC_OK;
  });
}

curl_socket_t CurlExchange::on_open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto& exchange = *static_cast<CurlExchange*>(self);
  return exchange.guarded(CURL_SOCKET_BAD, [&] {
    exchange.dialled_ = endpoint_text(address->addr, static_cast<socklen_t>(address->addrlen));
    const auto ip = address_of(address->addr);
    if (!exchange.proxy_ && ip && ip->address_class() > exchange.request_.reach) exchange.refuse(*ip);
    const auto& avoid = exchange.request_.avoid;
    if (ip && std::find(avoid.begin(), avoid.end(), *ip) != avoid.end()) return CURL_SOCKET_BAD;
    const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    // Without it megabytes wait in the kernel, and nothing is heard of a slow upload while they go out.
    if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kMaxUnsentBytes, sizeof kMaxUnsentBytes);
    return fd;
  });
}

// Also called for a connection that is used again, which on_open_socket does not see.
int CurlExchange::on_connected(void* self, char* remote_ip, char*, int, int) {
  auto& exchange = *static_cast<CurlExchange*>(self);
  return exchange.guarded(static_cast<int>(CURL_PREREQFUNC_ABORT), [&] {
    exchange.connected_ = true;
    exchange.last_activity_ = Clock::now();
    if (!exchange.proxy_) {
      exchange.response_.peer = find_ip_address(remote_ip);
      if (exchange.response_.peer && exchange.response_.peer->address_class() > exchange.request_.reach) {
        exchange.refuse(*exchange.response_.peer);
      }
    }
    return static_cast<int>(CURL_PREREQFUNC_OK);
  });
}

void CurlExchange::refuse(const IpAddress& address) const {
  const char* kind = address.address_class() == AddressClass::kPrivate    ? "a private"
                     : address.address_class() == AddressClass::kLoopback ? "a loopback"
                                                                          : "a link-local or reserved";
  throw Error(ErrorCode::kPermissionDenied, describe_request(request_.method, request_.url) +
                                                ": refusing to connect to " + kind + " address that a server named");
}

void CurlExchange::take_header(std::string_view line) {
  received_ = true;
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeaderBytes || response_.headers.size() > kMaxHeaders) {
    throw TransportError(TransportFailure::kMalformed, ErrorCode::kUnavailable,
                         describe_request(request_.method, request_.url) + ": response header too large");
  }
  if (head_complete_) return;  // a trailer
  line = base::trim(line);
  if (line.starts_with("HTTP/")) {
    const std::size_t space = std::min(line.find(' '), line.size() - 1);
    const auto status = base::parse_unsigned(line.substr(space + 1, 3));
    response_.status = static_cast<int>(status.value_or(0));
    response_.headers.clear();
  } else if (line.empty()) {
    if (response_.status >= 200) complete_head();
  } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
    response_.headers.emplace_back(std::string(line.substr(0, colon)), std::string(base::trim(line.substr(colon + 1))));
  }
}

void CurlExchange::complete_head() {
  if (proxy_ && response_.status == 407) throw proxy_refusal(407);
  head_complete_ = true;
  if (on_head_) sink_ = on_head_(response_);
}

void CurlExchange::take_body(std::string_view data) {
  received_ = true;
  if (sink_ != nullptr) {
    sink_->write(base::as_bytes(data));
    return;
  }
  if (data.size() > max_body_bytes_ - response_.body.size()) {
    throw Error(ErrorCode::kDataLoss, describe_request(request_.method, request_.url) +
                                          ": the response is larger than " + std::to_string(max_body_bytes_) +
                                          " bytes");
  }
  response_.body += data;
}

std::size_t CurlExchange::give_body(std::span<char> buffer) {
  if (!source_) source_ = request_.body->open();
  return source_->read(std::as_writable_bytes(buffer));
}

void CurlExchange::note_activity(std::size_t bytes) {
  last_activity_ = Clock::now();
  window_bytes_ += static_cast<std::int64_t>(bytes);
}

std::chrono::milliseconds CurlExchange::idle_limit() const {
  const bool waits_for_answer = request_.body && !received_ && sent_bytes_ >= request_.body->length_bytes;
  return waits_for_answer ? std::max(request_.answer_timeout, request_.stall_timeout) : request_.stall_timeout;
}

std::chrono::milliseconds CurlExchange::time_left() const {
  const auto now = Clock::now();
  auto left = Clock::duration(kLongestPoll);
  if (connected_) left = std::min(left, last_activity_ + idle_limit() - now);
  if (request_.total_timeout.count() > 0) left = std::min(left, started_ + request_.total_timeout - now);
  return std::chrono::ceil<std::chrono::milliseconds>(std::max(left, Clock::duration::zero()));
}

TransportError CurlExchange::stalled(const std::string& reason) const {
  return {TransportFailure::kTimeout, ErrorCode::kDeadlineExceeded,
          describe_request(request_.method, request_.url) + ": i/o timeout: " + reason};
}

void CurlExchange::check_progress() {
  const auto now = Clock::now();
  if (connected_ && now - last_activity_ >= idle_limit()) {
    throw stalled("no data for " + std::to_string(idle_limit().count()) + " ms");
  }
  if (request_.total_timeout.count() > 0 && now - started_ >= request_.total_timeout) {
    throw stalled("no complete answer in " + std::to_string(request_.total_timeout.count()) + " ms");
  }
  const auto window = kSlowTimeouts * idle_limit();
  if (now - window_start_ < window) return;
  if (connected_ && received_ && window_bytes_ < kLeastBytes) {
    throw stalled("only " + std::to_string(window_bytes_) + " bytes in " + std::to_string(window.count()) + " ms");
  }
  window_start_ = now;
  window_bytes_ = 0;
}

void CurlExchange::run(CurlSession& session, const std::stop_token& stop) {
  CURLM* multi = session.multi.get();
  check_curl(curl_multi_add_handle(multi, session.easy.get()), "add handle");
  // Before its end, removing closes the connection.
  const base::Finally remove([&] { curl_multi_remove_handle(multi, session.easy.get()); });
  const std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
  for (;;) {
    int running = 0;
    check_curl(curl_multi_perform(multi, &running), "perform");
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
    if (running == 0) break;
    check_progress();
    check_curl(curl_multi_poll(multi, nullptr, 0, static_cast<int>(time_left().count()), nullptr), "poll");
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
  }
  int queued = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &queued)) {
    if (message->msg == CURLMSG_DONE) return finish(session, message->data.result);
  }
  throw Error(ErrorCode::kInternal, "libcurl: the exchange ended without a result");
}

void CurlExchange::finish(CurlSession& session, CURLcode result) {
  if (result != CURLE_OK) throw transport_error(session.easy.get(), result);
  if (!head_complete_) {
    throw TransportError(TransportFailure::kBroken, ErrorCode::kUnavailable,
                         describe_request(request_.method, request_.url) + ": EOF");
  }
}

std::string CurlExchange::dial_text(CURL* easy, std::string_view reason) const {
  long os_error = 0;
  std::string why(reason);
  if (curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error) == CURLE_OK && os_error != 0 && reason.empty()) {
    why = std::string("connect: ") + base::to_lower(std::generic_category().message(static_cast<int>(os_error)));
  }
  if (why.empty()) why = "connection failed";
  return "dial tcp" + (dialled_.empty() ? "" : " " + dialled_) + ": " + why;
}

std::string CurlExchange::certificate_text(std::string_view detail) const {
  const std::string text = "tls: certificate verification failed: " + std::string(detail);
  const bool is_unknown_issuer = detail.find("issuer certificate") != std::string_view::npos ||
                                 detail.find("self-signed") != std::string_view::npos ||
                                 detail.find("unable to verify the first certificate") != std::string_view::npos;
  if (!is_unknown_issuer || tls_.ca_path_hint.empty()) return text;
  return text + " (put the registry's CA into " + tls_.ca_path_hint + ")";
}

TransportError CurlExchange::proxy_refusal(long status) const {
  const bool is_final = status == 401 || status == 403 || status == 407;
  std::string text = describe_request(request_.method, request_.url) + ": the proxy " + proxy_name(*proxy_) +
                     " answered " + std::to_string(status);
  if (status == 407) text += " Proxy Authentication Required";
  if (status == 401 || status == 407) text += ": the user name and password in its URL are missing or wrong";
  return {is_final ? TransportFailure::kProxyRefused : TransportFailure::kConnect,
          is_final ? ErrorCode::kPermissionDenied : ErrorCode::kUnavailable, std::move(text)};
}

TransportError CurlExchange::transport_error(CURL* easy, CURLcode result) const {
  long connect_status = 0;
  if (proxy_ && curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &connect_status) == CURLE_OK &&
      connect_status >= 300) {
    return proxy_refusal(connect_status);
  }
  const std::string detail =
      base::printable(error_text_[0] != '\0' ? error_text_.data() : curl_easy_strerror(result), 300);
  TransportFailure kind = TransportFailure::kBroken;
  ErrorCode code = ErrorCode::kUnavailable;
  std::string reason = detail;
  // In TLS 1.3 the peer's opinion of our certificate comes after the handshake.
  if (detail.find("alert") != std::string::npos && detail.find("certificate") != std::string::npos) {
    return {TransportFailure::kCertificate, code,
            describe_request(request_.method, request_.url) + ": tls: the server refused our certificate: " + detail};
  }
  switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
      kind = TransportFailure::kResolve;
      reason = "dial tcp: lookup " + parse_url(request_.url).host + ": no such host";
      break;
    case CURLE_COULDNT_RESOLVE_PROXY:
      kind = TransportFailure::kResolve;
      reason = "proxyconnect tcp: lookup " + proxy_name(*proxy_) + ": no such host";
      break;
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
      kind = TransportFailure::kConnect;
      reason = proxy_ ? "proxyconnect tcp: " + dial_text(easy, "") : dial_text(easy, "");
      break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
      kind = TransportFailure::kTls;
      reason = "tls: handshake failed: " + detail;
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      kind = TransportFailure::kCertificate;
      reason = certificate_text(detail);
      break;
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      kind = TransportFailure::kCertificate;
      reason = "tls: bad certificate file" + (tls_.origin.empty() ? "" : " in " + tls_.origin) + ": " + detail;
      break;
    case CURLE_OPERATION_TIMEDOUT: {
      // Connected, and then silence instead of a handshake: the peer may well not speak TLS.
      curl_off_t connect_time = 0;
      const bool handshaking =
          curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connect_time) == CURLE_OK && connect_time > 0;
      kind = handshaking && !connected_ && request_.url.starts_with("https:") ? TransportFailure::kTls
                                                                              : TransportFailure::kTimeout;
      code = ErrorCode::kDeadlineExceeded;
      reason = kind == TransportFailure::kTls ? "net/http: TLS handshake timeout" : dial_text(easy, "i/o timeout");
      break;
    }
    case CURLE_PARTIAL_FILE:
      reason = "unexpected EOF";
      break;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_FAIL_REWIND:
      reason = "EOF";
      break;
    default:
      break;
  }
  return {kind, code, describe_request(request_.method, request_.url) + ": " + reason};
}

}  // namespace lighterd::distribution
