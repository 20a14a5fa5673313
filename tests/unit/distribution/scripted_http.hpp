// SPDX-License-Identifier: Apache-2.0
// Hosts that are not on this machine: what they answer is a function of the request. No packet leaves.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/stream.hpp"
#include "distribution/http_client.hpp"

namespace lighterd::distribution {

class ScriptedHttp final : public HttpClient {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  explicit ScriptedHttp(Handler handler) : handler_(std::move(handler)) {}

  HttpResponse perform(const HttpRequest& request, const OnHead& on_head, std::size_t, std::stop_token) override {
    requests.push_back(request);
    HttpResponse response = handler_(request);
    base::Sink* sink = on_head ? on_head(response) : nullptr;
    if (sink != nullptr && request.method != "HEAD") sink->write(base::as_bytes(std::exchange(response.body, "")));
    return response;
  }
  std::vector<std::string> urls() const {
    std::vector<std::string> result;
    for (const HttpRequest& request : requests) result.push_back(request.method + " " + request.url);
    return result;
  }
  std::vector<HttpRequest> requests;

 private:
  Handler handler_;
};

inline HttpResponse respond(int status, HeaderList headers = {}, std::string body = {}) {
  HttpResponse response;
  response.status = status;
  response.headers = std::move(headers);
  response.body = std::move(body);
  return response;
}

}  // namespace lighterd::distribution
