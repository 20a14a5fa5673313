// SPDX-License-Identifier: Apache-2.0
// One HTTP exchange on libcurl; for CurlHttpClient alone.
#pragma once

#include <curl/curl.h>

#include <array>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "distribution/curl_session.hpp"
#include "distribution/http_client.hpp"

namespace lighterd::distribution {

// Whom the system trusts: SSL_CERT_FILE and SSL_CERT_DIR as OpenSSL's own programs take them, else what libcurl was
// built with.
class SystemRoots {
 public:
  SystemRoots();
  const std::string& file() const { return file_; }
  const std::string& folder() const { return folder_; }
  // Empty if there is none: the folder has them then.
  std::string read_file() const;

 private:
  std::string file_;
  std::string folder_;
};

// The request's own, or the system's roots and nothing else.
const TlsSettings& tls_of(const HttpRequest& request);

// One exchange: what the callbacks of libcurl work on. Lives for one attempt; what it is made of must outlive it.
class CurlExchange {
 public:
  CurlExchange(const HttpRequest& request, const OnHead& on_head, std::size_t max_body_bytes,
               std::optional<std::string> proxy, const SystemRoots& roots);

  void configure(CURL* easy);
  // Blocks; throws as HttpClient::perform.
  void run(CurlSession& session, const std::stop_token& stop);
  bool nothing_received() const { return !received_; }
  bool has_connected() const { return connected_; }
  // Without being asked to: a server may have kept what it got.
  bool may_send_again() const;
  HttpResponse take_response() { return std::move(response_); }
  const std::optional<IpAddress>& peer() const { return response_.peer; }

 private:
  void configure_transport(CurlOptions& options);
  void configure_tls(CurlOptions& options);
  void configure_body(CurlOptions& options);
  void configure_headers(CurlOptions& options);
  void note_activity(std::size_t bytes);
  std::chrono::milliseconds idle_limit() const;
  void check_progress();
  std::chrono::milliseconds time_left() const;
  TransportError stalled(const std::string& reason) const;
  void finish(CurlSession& session, CURLcode result);
  TransportError transport_error(CURL* easy, CURLcode result) const;
  std::string dial_text(CURL* easy, std::string_view reason) const;
  std::string certificate_text(std::string_view detail) const;
  TransportError proxy_refusal(long status) const;
  [[noreturn]] void refuse(const IpAddress& address) const;

  void take_header(std::string_view line);
  void complete_head();
  void take_body(std::string_view data);
  std::size_t give_body(std::span<char> buffer);

  // What a callback throws is kept, and curl told to stop.
  template <typename Result, typename F>
  Result guarded(Result on_failure, F&& action) noexcept {
    try {
      return action();
    } catch (...) {
      failure_ = std::current_exception();
      return on_failure;
    }
  }

  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_write(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_read(char* data, std::size_t size, std::size_t count, void* self);
  static int on_seek(void* self, curl_off_t offset, int origin);
  static curl_socket_t on_open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int on_connected(void* self, char* remote_ip, char* local_ip, int remote_port, int local_port);

  const HttpRequest& request_;
  const TlsSettings& tls_;
  const SystemRoots& roots_;
  const OnHead& on_head_;
  const std::size_t max_body_bytes_;
  const std::optional<std::string> proxy_;
  CurlHeaderLines lines_;
  std::array<char, CURL_ERROR_SIZE> error_text_{};

  HttpResponse response_;
  std::size_t header_bytes_ = 0;
  bool received_ = false;
  bool head_complete_ = false;
  base::Sink* sink_ = nullptr;
  std::unique_ptr<base::Source> source_;
  std::exception_ptr failure_;
  std::string dialled_;  // the address tried last

  bool connected_ = false;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point last_activity_;
  std::chrono::steady_clock::time_point window_start_;
  std::int64_t window_bytes_ = 0;
  std::int64_t sent_bytes_ = 0;
};

}  // namespace lighterd::distribution
