// SPDX-License-Identifier: Apache-2.0
#include "http_test_support.hpp"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/encoding.hpp"

namespace lighterd::api {
namespace {

class IgnoreSigpipe : public testing::Environment {
 public:
  void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }
};

[[maybe_unused]] const auto* const kEnvironment = testing::AddGlobalTestEnvironment(new IgnoreSigpipe);

base::UniqueFd connected_socket(int family, const sockaddr* address, socklen_t size) {
  base::UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval timeout{10, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  if (::connect(fd.get(), address, size) != 0) ADD_FAILURE() << "connect: " << std::strerror(errno);
  return fd;
}

}  // namespace

TempDirectory::TempDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "lighterd-http-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "mkdtemp";
  path_ = name;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + milliseconds(10'000);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

void Signal::set() {
  const std::lock_guard lock(mutex_);
  set_ = true;
  changed_.notify_all();
}

bool Signal::wait(milliseconds timeout) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, timeout, [&] { return set_; })) return false;
  set_ = false;
  return true;
}

Client Client::to_unix(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return Client(connected_socket(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

TlsFiles make_certificate(const std::filesystem::path& directory) {
  TlsFiles files{directory / "server.crt", directory / "server.key"};
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  const auto* text = reinterpret_cast<const unsigned char*>("localhost");
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  const auto open = [](const std::filesystem::path& path) {
    return std::unique_ptr<FILE, decltype(&std::fclose)>(std::fopen(path.c_str(), "w"), std::fclose);
  };
  PEM_write_X509(open(files.certificate).get(), certificate.get());
  PEM_write_PrivateKey(open(files.key).get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return files;
}

Client Client::to_tls_port(int port, const std::string& protocol) {
  Client client = to_port(port);
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  const std::string offer = static_cast<char>(protocol.size()) + protocol;
  const auto* bytes = reinterpret_cast<const unsigned char*>(offer.data());
  SSL_CTX_set_alpn_protos(context.get(), bytes, static_cast<unsigned>(offer.size()));
  std::shared_ptr<SSL> tls(SSL_new(context.get()), SSL_free);
  SSL_set_fd(tls.get(), client.fd());
  if (SSL_connect(tls.get()) == 1) client.tls_ = std::move(tls);
  return client;
}

Client Client::to_port(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return Client(connected_socket(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

bool Client::send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = tls_ ? SSL_write(tls_.get(), text.data(), static_cast<int>(text.size()))
                               : ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void Client::shut_down_writing() {
  if (tls_) SSL_shutdown(tls_.get());
  ::shutdown(fd_.get(), SHUT_WR);
}

bool Client::everything_was_read() const {
  int unread = 0;
  return ::ioctl(fd_.get(), SIOCOUTQ, &unread) == 0 && unread == 0;
}

long Client::receive(char* block, std::size_t size) {
  if (!tls_) return ::recv(fd_.get(), block, size, 0);
  const int count = SSL_read(tls_.get(), block, static_cast<int>(size));
  was_ended_ = SSL_get_error(tls_.get(), count) == SSL_ERROR_ZERO_RETURN;
  return count;
}

bool Client::fill() {
  char block[64 * 1024];
  const long count = receive(block, sizeof block);
  if (count <= 0) return false;
  buffer_.append(block, static_cast<std::size_t>(count));
  return true;
}

std::string Client::read_some() {
  if (buffer_.empty()) fill();
  return std::exchange(buffer_, {});
}

std::string Client::read_all() {
  while (fill()) continue;
  return std::exchange(buffer_, {});
}

bool Client::read_until(std::string_view text, std::string& out) {
  std::size_t at = 0;
  while ((at = buffer_.find(text)) == std::string::npos)
    if (!fill()) return false;
  out = buffer_.substr(0, at);
  buffer_.erase(0, at + text.size());
  return true;
}

bool Client::take_line(std::string& line) {
  return read_until("\r\n", line);
}

Answer Client::read_answer(bool to_head) {
  Answer answer;
  std::string line;
  if (!take_line(line) || line.size() < 12) return answer;
  const int status = std::atoi(line.c_str() + 9);
  while (take_line(line) && !line.empty()) {
    const auto colon = line.find(':');
    answer.headers[base::to_lower(line.substr(0, colon))] = line.substr(colon + 2);
  }
  answer.status = status;
  if (to_head || status == 204 || status == 304 || status < 200) {
    answer.complete = true;
  } else {
    read_body(answer);
  }
  return answer;
}

void Client::read_body(Answer& answer) {
  if (answer.headers.contains("content-length")) {
    const std::size_t length = std::stoull(answer.headers["content-length"]);
    while (buffer_.size() < length && fill()) continue;
    answer.complete = buffer_.size() >= length;
    answer.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
  } else if (answer.headers.contains("transfer-encoding")) {
    while (read_chunk(answer)) continue;
  } else {
    answer.body = read_all();
    answer.complete = true;
  }
}

bool Client::read_chunk(Answer& answer) {
  std::string line;
  if (!take_line(line)) return false;
  const std::size_t size = std::stoull(line, nullptr, 16);
  while (buffer_.size() < size + 2)
    if (!fill()) return false;
  answer.body += buffer_.substr(0, size);
  buffer_.erase(0, size + 2);
  answer.complete = size == 0;
  return size > 0;
}

void ServerTest::route(std::string method, std::string pattern, Handler handler, Execution execution) {
  router_.add({std::move(method), std::move(pattern), execution, std::move(handler)});
}

void ServerTest::start() {
  route(
      "*", "/_ping", [](Request&, Response& response) { response.send(200, "text/plain", "OK"); }, Execution::kInline);
  const auto dispatch = [this](Request& request) -> Dispatched {
    if (auto match = router_.find(request.method, request.path)) {
      request.path_parameters = std::move(match->parameters);
      return {match->route->execution, match->route->handler};
    }
    return {Execution::kInline, [](Request&, Response& response) { response.send(404, "text/plain", "nothing"); }};
  };
  server_ = std::make_unique<Server>(options_, dispatch, logger_);
  std::vector<Listener> listeners;
  listeners.push_back(Listener::unix_socket(socket_path(), std::nullopt));
  listeners.push_back(Listener::loopback_tcp("127.0.0.1", 0));
  port_ = listeners.back().port();
  if (tls_) {
    listeners.push_back(Listener::tcp("127.0.0.1", 0, {.tls = tls_}));
    tls_port_ = listeners.back().port();
  }
  server_->start(std::move(listeners));
}

Answer ServerTest::ask(std::string_view request) const {
  Client client = connect();
  client.send(request);
  return client.read_answer(request.starts_with("HEAD "));
}

}  // namespace lighterd::api
