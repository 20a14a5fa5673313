// SPDX-License-Identifier: Apache-2.0
#include "cli/curl_client.hpp"

#include <poll.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>
#include <vector>

#include "base/curl_options.hpp"
#include "base/error.hpp"
#include "cli/exit_code.hpp"
#include "cli/version.hpp"

namespace lighterd::cli {
namespace {

using base::check_curl;
using base::CurlOptions;
using EasyHandle = std::unique_ptr<CURL, base::CurlEasyCleanup>;
using MultiHandle = std::unique_ptr<CURLM, base::CurlMultiCleanup>;

constexpr long kConnectSeconds = 30;
constexpr int kPollMilliseconds = 60'000;
// Archives are large, and libcurl's own buffers small.
constexpr long kBufferBytes = 256 * 1024;
// Of what a refusal says.
constexpr std::size_t kMaxRefusalBytes = 64 * 1024;

bool is_success(long status) {
  return status >= 200 && status < 300;
}

// The one limit of time is that of connecting.
bool is_unreachable(CURLcode result) {
  return result == CURLE_COULDNT_CONNECT || result == CURLE_COULDNT_RESOLVE_HOST || result == CURLE_OPERATION_TIMEDOUT;
}

// What libcurl's callbacks work on.
class Exchange {
 public:
  Exchange(const Host& host, const Request& request, base::Sink& answer)
      : host_(host), request_(request), answer_(answer), easy_(curl_easy_init()) {
    if (!easy_) throw base::Error(base::ErrorCode::kUnavailable, "libcurl: out of memory");
    configure();
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void run(CURLM* multi, const std::stop_token& stop);

 private:
  void configure();
  void configure_request(CurlOptions& options);
  CURLcode drive(CURLM* multi, const std::stop_token& stop);
  std::size_t read_body(std::span<std::byte> buffer);
  std::size_t take_held(std::span<std::byte> buffer);
  bool has_answer_pending() const;
  void resume();
  long status() const;
  [[noreturn]] void refuse(CURLcode result) const;
  std::string reason(CURLcode result) const;

  // What a callback throws is kept, and curl told to stop.
  template <typename F>
  std::size_t guarded(std::size_t on_failure, F&& action) noexcept {
    try {
      return action();
    } catch (...) {
      failure_ = std::current_exception();
      return on_failure;
    }
  }
  static std::size_t on_write(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static std::size_t on_read(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static int on_socket(void* self, curl_socket_t socket, curlsocktype purpose) noexcept;

  const Host& host_;
  const Request& request_;
  base::Sink& answer_;
  base::CurlHeaderLines lines_;
  EasyHandle easy_;
  std::string refusal_;
  curl_socket_t socket_ = CURL_SOCKET_BAD;  // the one that was opened last
  std::vector<std::byte> held_;             // of the body, while the answer is read first
  bool is_paused_ = false;
  std::exception_ptr failure_;
};

void Exchange::configure() {
  CurlOptions options(easy_.get());
  options.set_option(CURLOPT_NOSIGNAL, 1L);
  options.set_option(CURLOPT_PROTOCOLS_STR, "http");
  options.set_option(CURLOPT_PROXY, "");
  options.set_option(CURLOPT_TCP_KEEPALIVE, 1L);
  options.set_option(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  options.set_option(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  options.set_option(CURLOPT_PATH_AS_IS, 1L);
  options.set_option(CURLOPT_BUFFERSIZE, kBufferBytes);
  options.set_option(CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
  options.set_option(CURLOPT_USERAGENT, std::string("lighter/") + kVersion);
  if (!host_.socket.empty()) options.set_option(CURLOPT_UNIX_SOCKET_PATH, host_.socket);
  options.set_option(CURLOPT_URL, "http://" + host_.authority + request_.target);
  options.set_function(CURLOPT_WRITEFUNCTION, &Exchange::on_write);
  options.set_pointer(CURLOPT_WRITEDATA, this);
  configure_request(options);
}

void Exchange::configure_request(CurlOptions& options) {
  if (request_.body != nullptr) {
    options.set_option(CURLOPT_POST, 1L);
    options.set_function(CURLOPT_READFUNCTION, &Exchange::on_read);
    options.set_pointer(CURLOPT_READDATA, this);
    options.set_function(CURLOPT_SOCKOPTFUNCTION, &Exchange::on_socket);
    options.set_pointer(CURLOPT_SOCKOPTDATA, this);
    lines_.add("Content-Type", "application/x-tar");
    lines_.add("Transfer-Encoding", "chunked");
    lines_.suppress("Expect");
  } else if (request_.method == "POST") {
    options.set_option(CURLOPT_POSTFIELDS, "");
  } else {
    options.set_option(CURLOPT_CUSTOMREQUEST, request_.method);
  }
  if (!request_.registry_auth.empty()) lines_.add("X-Registry-Auth", request_.registry_auth.reveal());
  options.set_pointer(CURLOPT_HTTPHEADER, lines_.list());
}

std::size_t Exchange::on_write(char* data, std::size_t size, std::size_t count, void* self) noexcept {
  auto& exchange = *static_cast<Exchange*>(self);
  const std::string_view text(data, size * count);
  return exchange.guarded(0, [&] {
    if (is_success(exchange.status())) {
      exchange.answer_.write(base::as_bytes(text));
    } else {
      exchange.refusal_ += text.substr(0, kMaxRefusalBytes - std::min(kMaxRefusalBytes, exchange.refusal_.size()));
    }
    return text.size();
  });
}

std::size_t Exchange::on_read(char* data, std::size_t size, std::size_t count, void* self) noexcept {
  auto& exchange = *static_cast<Exchange*>(self);
  return exchange.guarded(CURL_READFUNC_ABORT,
                          [&] { return exchange.read_body(std::as_writable_bytes(std::span(data, size * count))); });
}

// Sending to a daemon that has answered and closed fails, and libcurl forgets the answer: it is read before more is
// sent. The body may have kept us waiting for long.
std::size_t Exchange::read_body(std::span<std::byte> buffer) {
  if (!held_.empty()) return take_held(buffer);
  const std::size_t count = request_.body->read(buffer);
  if (count == 0 || !has_answer_pending()) return count;
  held_.assign(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count));
  is_paused_ = true;
  return CURL_READFUNC_PAUSE;
}

std::size_t Exchange::take_held(std::span<std::byte> buffer) {
  const std::size_t count = std::min(held_.size(), buffer.size());
  const auto end = held_.begin() + static_cast<std::ptrdiff_t>(count);
  std::copy(held_.begin(), end, buffer.begin());
  held_.erase(held_.begin(), end);
  return count;
}

bool Exchange::has_answer_pending() const {
  pollfd waits{socket_, POLLIN, 0};
  return ::poll(&waits, 1, 0) > 0;
}

int Exchange::on_socket(void* self, curl_socket_t socket, curlsocktype /*purpose*/) noexcept {
  static_cast<Exchange*>(self)->socket_ = socket;
  return CURL_SOCKOPT_OK;
}

void Exchange::resume() {
  if (std::exchange(is_paused_, false)) check_curl(curl_easy_pause(easy_.get(), CURLPAUSE_CONT), "resume");
}

long Exchange::status() const {
  long status = 0;
  check_curl(curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status), "get status");
  return status;
}

CURLcode Exchange::drive(CURLM* multi, const std::stop_token& stop) {
  const std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
  int running = 1;
  while (!stop.stop_requested()) {
    check_curl(curl_multi_perform(multi, &running), "perform");
    if (running == 0) break;
    resume();
    check_curl(curl_multi_poll(multi, nullptr, 0, kPollMilliseconds, nullptr), "poll");
  }
  if (stop.stop_requested()) throw base::Error(base::ErrorCode::kCancelled, "interrupted");
  int left = 0;
  const CURLMsg* message = curl_multi_info_read(multi, &left);
  return message == nullptr ? CURLE_FAILED_INIT : message->data.result;
}

void Exchange::run(CURLM* multi, const std::stop_token& stop) {
  check_curl(curl_multi_add_handle(multi, easy_.get()), "add handle");
  const base::Finally remove([&] { curl_multi_remove_handle(multi, easy_.get()); });
  const CURLcode result = drive(multi, stop);
  if (failure_) std::rethrow_exception(failure_);
  if (result != CURLE_OK || !is_success(status())) refuse(result);
}

// A daemon that has had enough of a body answers and closes: what it says counts then, not that sending failed.
void Exchange::refuse(CURLcode result) const {
  const long code = status();
  if (code != 0 && !is_success(code)) {
    const std::string text = refusal_text(refusal_, code);
    throw Failure(exit_code_of_refusal(code, text), text);
  }
  if (code != 0) throw Failure(ExitCode::kFailed, "the daemon broke off its answer: " + reason(result));
  if (!is_unreachable(result)) throw Failure(ExitCode::kFailed, "the daemon broke off the request: " + reason(result));
  throw Failure(ExitCode::kUnreachable,
                "cannot reach the daemon at " + host_.text + ": " + reason(result) + "; is lighterd running?");
}

std::string Exchange::reason(CURLcode result) const {
  long number = 0;
  const bool is_connecting = result == CURLE_COULDNT_CONNECT;
  if (is_connecting && curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &number) == CURLE_OK && number != 0)
    return std::strerror(static_cast<int>(number));
  return curl_easy_strerror(result);
}

// Nothing is encrypted on the way to the daemon: OpenSSL's own start can be spared.
class Library {
 public:
  Library() { check_curl(curl_global_init(CURL_GLOBAL_NOTHING), "start"); }
  ~Library() { curl_global_cleanup(); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
};

class CurlClient final : public DaemonClient {
 public:
  CurlClient(Host host, std::stop_token stop)
      : host_(std::move(host)), stop_(std::move(stop)), multi_(curl_multi_init()) {
    if (!multi_) throw base::Error(base::ErrorCode::kUnavailable, "libcurl: out of memory");
  }
  void perform(const Request& request, base::Sink& answer) override {
    Exchange(host_, request, answer).run(multi_.get(), stop_);
  }

 private:
  Host host_;
  std::stop_token stop_;
  Library library_;
  MultiHandle multi_;
};

}  // namespace

std::unique_ptr<DaemonClient> make_curl_client(Host host, std::stop_token stop) {
  return std::make_unique<CurlClient>(std::move(host), std::move(stop));
}

}  // namespace lighterd::cli
