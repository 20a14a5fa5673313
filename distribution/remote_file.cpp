// SPDX-License-Identifier: Apache-2.0
#include "distribution/remote_file.hpp"

#include <utility>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "distribution/refusal_sink.hpp"
#include "distribution/registry_error.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;

namespace {

constexpr int kMaxRedirects = 5;
constexpr std::size_t kBlocks = 2;
constexpr std::size_t kBlockBytes = std::size_t{256} * 1024;

ErrorCode code_of(int status) {
  switch (status) {
    case 400:
      return ErrorCode::kInvalidArgument;
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    default:
      return ErrorCode::kInternal;
  }
}

Error refusal(const Url& url, int status, const std::string& body) {
  const std::string text = base::printable(base::trim(body));
  return {code_of(status), "failed to GET " + redact_url(url.to_string()) + " with status " + status_text(status) +
                               (text.empty() ? "" : ": " + text)};
}

bool has_default_port(const Url& url) {
  return url.port == (url.is_https() ? 443 : 80);
}

// What the client itself named, or its https.
bool is_named(const Url& url, const Url& named) {
  const bool is_upgrade = url.host == named.host && url.is_https() && has_default_port(url) && has_default_port(named);
  return is_same_origin(url, named) || is_upgrade;
}

std::optional<std::int64_t> find_length(const HttpResponse& head) {
  const std::string* text = head.find_header("Content-Length");
  const auto length = text == nullptr ? std::nullopt : base::parse_unsigned(*text);
  return length && *length <= INT64_MAX ? std::optional(static_cast<std::int64_t>(*length)) : std::nullopt;
}

Error too_large(std::int64_t max_bytes) {
  return {ErrorCode::kInvalidArgument, "the file is larger than " + std::to_string(max_bytes) + " bytes"};
}

// dockerd knows nothing else of a transport than that it failed, but for a host that is not there.
Error from_transport(const TransportError& error) {
  return {error.kind() == TransportFailure::kResolve ? ErrorCode::kNotFound : ErrorCode::kInternal, error.text()};
}

}  // namespace

// The exchange, on its thread.
class RemoteFile::Download final : public base::Sink {
 public:
  Download(HttpClient& http, Url url, const RemoteFileOptions& options, std::string user_agent, base::BlockQueue& queue,
           std::promise<Size>& started, std::stop_token stop)
      : http_(http),
        named_(std::move(url)),
        options_(options),
        user_agent_(std::move(user_agent)),
        queue_(queue),
        started_(started),
        stop_(std::move(stop)) {}

  void run() noexcept {
    try {
      follow();
      queue_.close();
    } catch (const TransportError& error) {
      fail(std::make_exception_ptr(from_transport(error)));
    } catch (...) {
      fail(std::current_exception());
    }
  }

  void write(base::Bytes data) override {
    received_bytes_ += static_cast<std::int64_t>(data.size());
    if (received_bytes_ > options_.max_bytes) throw too_large(options_.max_bytes);
    queue_.write(data, stop_);
  }

 private:
  void fail(const std::exception_ptr& failure) noexcept {
    if (!std::exchange(has_started_, true)) started_.set_exception(failure);
    queue_.fail(failure);
  }

  void follow() {
    Url url = named_;
    for (int hop = 0; hop <= kMaxRedirects; ++hop) {
      const auto next = exchange(url);
      if (!next) return;
      if (url.is_https() && !next->is_https())
        throw Error(ErrorCode::kPermissionDenied,
                    "refusing redirect \"" + redact_url(next->to_string()) + "\": from https to http");
      url = *next;
    }
    throw Error(ErrorCode::kInternal, describe_request("GET", named_.to_string()) + ": stopped after " +
                                          std::to_string(kMaxRedirects) + " redirects");
  }

  // Where the answer sends us; nothing if it was the file.
  std::optional<Url> exchange(const Url& url) {
    HttpRequest request;
    request.url = url.to_string();
    request.headers.emplace_back("User-Agent", user_agent_);
    request.stall_timeout = options_.stall_timeout;
    request.reach = is_named(url, named_) ? AddressClass::kSpecial : AddressClass::kPublic;
    HttpResponse head;
    RefusalSink other;
    const OnHead on_head = [&](const HttpResponse& response) -> base::Sink* {
      head = response;
      if (response.status < 200 || response.status > 299) return &other;
      start(find_length(response));
      return this;
    };
    try {
      http_.perform(request, on_head, kMaxRefusalBytes, stop_);
    } catch (const RefusalSink::Full&) {
    }
    if (is_redirect(head)) return resolve_url(url, *head.find_header("Location"));
    if (head.status < 200 || head.status > 299) throw refusal(url, head.status, other.take());
    return std::nullopt;
  }

  void start(const Size& size) {
    if (size.value_or(0) > options_.max_bytes) throw too_large(options_.max_bytes);
    has_started_ = true;
    started_.set_value(size);
  }

  HttpClient& http_;
  const Url named_;
  const RemoteFileOptions options_;
  const std::string user_agent_;
  base::BlockQueue& queue_;
  std::promise<Size>& started_;
  const std::stop_token stop_;
  std::int64_t received_bytes_ = 0;
  bool has_started_ = false;
};

RemoteFile::RemoteFile(HttpClient& http, const Url& url, const RemoteFileOptions& options,
                       const std::string& user_agent, const std::stop_token& stop)
    : queue_(kBlocks, kBlockBytes) {
  if (options.access == UrlAccess::kRefused)
    throw Error(ErrorCode::kPermissionDenied, "this daemon fetches nothing from URLs (--disable-url-import)");
  thread_ = std::jthread([this, &http, url, options, user_agent](const std::stop_token& thread_stop) {
    Download(http, url, options, user_agent, queue_, started_, thread_stop).run();
  });
  on_stop_.emplace(stop, [this] { thread_.request_stop(); });
  size_bytes_ = started_.get_future().get();
}

Url parse_file_url(const std::string& text) {
  return parse_url(text.find("://") == std::string::npos ? "http://" + text : text);
}

}  // namespace lighterd::distribution
