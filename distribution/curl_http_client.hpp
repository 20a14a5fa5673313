// SPDX-License-Identifier: Apache-2.0
// HttpClient on libcurl. Handles are pooled with their connections, each used by one thread at a time; every exchange
// is driven by its caller's thread, so hashing and disk writes of parallel transfers run in parallel.
#pragma once

#include <memory>

#include "distribution/http_client.hpp"

namespace lighterd::distribution {

class CurlHttpClient final : public HttpClient {
 public:
  // Once per process: libcurl is initialised by the first exchange. Ignores SIGPIPE (OpenSSL writes with write(2)).
  // Proxies are read from the environment here: http_proxy, https_proxy, all_proxy, no_proxy, in either case; loopback
  // is never proxied.
  CurlHttpClient();
  ~CurlHttpClient() override;
  HttpResponse perform(const HttpRequest& request, const OnHead& on_head, std::size_t max_body_bytes,
                       std::stop_token stop) override;

 private:
  class Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace lighterd::distribution
