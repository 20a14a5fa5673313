// SPDX-License-Identifier: Apache-2.0
#include "distribution/curl_http_client.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <mutex>

#include "base/synchronized.hpp"
#include "distribution/curl_exchange.hpp"
#include "distribution/proxy_environment.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kMaxIdleSessions = 8;

}  // namespace

class CurlHttpClient::Pool {
 public:
  Pool() : proxies_([](const char* name) -> const char* { return std::getenv(name); }) {
    idle_.lock()->reserve(kMaxIdleSessions + 1);  // release() must not throw
  }

  const ProxyEnvironment& proxies() const { return proxies_; }
  const SystemRoots& roots() const { return roots_; }

  std::unique_ptr<CurlSession> acquire(const std::string& origin, const TlsSettings& tls) {
    {
      auto idle = idle_.lock();
      const auto find = [&](auto&& fits) {
        // Latest first, so that surplus sessions grow old.
        return std::find_if(idle->rbegin(), idle->rend(),
                            [&](const auto& each) { return each->tls == tls && fits(*each); });
      };
      auto found = find([&](const CurlSession& each) { return each.origin == origin; });
      if (found == idle->rend() && idle->size() >= kMaxIdleSessions)
        found = find([](const CurlSession&) { return true; });
      if (found != idle->rend()) {
        std::unique_ptr<CurlSession> session = std::move(*found);
        idle->erase(std::next(found).base());
        session->origin = origin;
        return session;
      }
    }
    auto session = std::make_unique<CurlSession>();
    session->origin = origin;
    session->tls = tls;
    return session;
  }

  // With the first exchange: it brings OpenSSL up, 2 MB that an idle daemon does not need.
  void initialise() {
    std::call_once(initialised_, [this] {
      check_curl(curl_global_init(CURL_GLOBAL_DEFAULT), "initialise");
      is_initialised_ = true;
    });
  }
  bool is_initialised() const { return is_initialised_; }

  void release(std::unique_ptr<CurlSession> session) {
    std::unique_ptr<CurlSession> surplus;
    auto idle = idle_.lock();
    idle->push_back(std::move(session));
    if (idle->size() <= kMaxIdleSessions) return;
    surplus = std::move(idle->front());
    idle->erase(idle->begin());
  }

 private:
  const ProxyEnvironment proxies_;
  const SystemRoots roots_;
  std::once_flag initialised_;
  bool is_initialised_ = false;
  base::Synchronized<std::vector<std::unique_ptr<CurlSession>>> idle_;
};

CurlHttpClient::CurlHttpClient() {
  struct sigaction action {};
  if (sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) std::signal(SIGPIPE, SIG_IGN);
  pool_ = std::make_unique<Pool>();
}

CurlHttpClient::~CurlHttpClient() {
  const bool was_initialised = pool_->is_initialised();
  pool_.reset();
  if (was_initialised) curl_global_cleanup();
}

HttpResponse CurlHttpClient::perform(const HttpRequest& request, const OnHead& on_head, std::size_t max_body_bytes,
                                     std::stop_token stop) {
  if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
  const Url url = parse_url(request.url);
  const std::string origin = url.scheme + "://" + url.authority();
  pool_->initialise();
  std::unique_ptr<CurlSession> session = pool_->acquire(origin, tls_of(request));
  // libcurl 7.88 keeps a handle that could not connect in a state in which it takes no options: such a session goes.
  bool did_connect = true;
  const base::Finally release([&] {
    if (!did_connect) return;
    // The error buffer and the callbacks' data end with this exchange.
    curl_easy_reset(session->easy.get());
    pool_->release(std::move(session));
  });
  const auto proxy = pool_->proxies().find_proxy(url);
  for (int attempt = 1;; ++attempt) {
    CurlExchange exchange(request, on_head, max_body_bytes, proxy, pool_->roots());
    exchange.configure(session->easy.get());
    // A connection that was kept may lead to an address to avoid.
    const bool afresh = attempt > 1 || !request.avoid.empty();
    if (afresh) check_curl(curl_easy_setopt(session->easy.get(), CURLOPT_FRESH_CONNECT, 1L), "set option");
    try {
      exchange.run(*session, stop);
      return exchange.take_response();
    } catch (TransportError& error) {
      error.set_peer(exchange.peer());
      did_connect = exchange.has_connected();
      // The server closed an idle connection just when it was used again: no exchange took place.
      long opened = 1;
      const bool reused =
          curl_easy_getinfo(session->easy.get(), CURLINFO_NUM_CONNECTS, &opened) == CURLE_OK && opened == 0;
      if (attempt > 1 || error.kind() != TransportFailure::kBroken || !reused || !exchange.nothing_received() ||
          !exchange.may_send_again()) {
        throw;
      }
    }
  }
}

}  // namespace lighterd::distribution
