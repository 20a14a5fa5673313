// SPDX-License-Identifier: Apache-2.0
// An HttpClient that leaves hosts alone for as long as they asked, and learns from every answer.
#pragma once

#include "distribution/host_states.hpp"
#include "distribution/http_client.hpp"

namespace lighterd::distribution {

class PacedHttpClient final : public HttpClient {
 public:
  // Both must outlive it.
  PacedHttpClient(HttpClient& inner, HostStates& states) : inner_(inner), states_(states) {}

  // As HttpClient. Waits first if the host asked for a pause (request.on_wait is told), RegistryError with status 429
  // and the rest of the pause if that is longer than request.patience. Marks TransportErrors of hosts that have
  // answered before.
  HttpResponse perform(const HttpRequest& request, const OnHead& on_head, std::size_t max_body_bytes,
                       std::stop_token stop) override;

 private:
  void wait_for_turn(const HttpRequest& request, const std::string& host, const std::stop_token& stop);

  HttpClient& inner_;
  HostStates& states_;
};

}  // namespace lighterd::distribution
