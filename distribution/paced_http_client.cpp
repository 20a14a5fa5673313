// SPDX-License-Identifier: Apache-2.0
#include "distribution/paced_http_client.hpp"

#include "distribution/registry_error.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {

HttpResponse PacedHttpClient::perform(const HttpRequest& request, const OnHead& on_head, std::size_t max_body_bytes,
                                      std::stop_token stop) {
  const Url url = parse_url(request.url);
  const std::string host = url.scheme + "://" + url.authority();
  wait_for_turn(request, host, stop);
  const OnHead learn = [&](const HttpResponse& head) -> base::Sink* {
    states_.note_answer(host, head);
    return on_head ? on_head(head) : nullptr;
  };
  try {
    return inner_.perform(request, learn, max_body_bytes, std::move(stop));
  } catch (TransportError& error) {
    if (states_.has_answered(host)) error.set_known_host();
    throw;
  }
}

void PacedHttpClient::wait_for_turn(const HttpRequest& request, const std::string& host, const std::stop_token& stop) {
  // Others may be told to wait meanwhile, and this one with them; but some time it has to ask for itself.
  constexpr int kMaxPauses = 3;
  for (int pauses = 0; pauses < kMaxPauses; ++pauses) {
    const auto pause = states_.pause_of(host);
    if (pause.count() == 0) return;
    const std::string reason = host + " asked for a pause";
    if (pause > request.patience) {
      RegistryError error(base::ErrorCode::kResourceExhausted, "toomanyrequests: " + reason, 429, "TOOMANYREQUESTS");
      error.set_retry_after(std::chrono::ceil<std::chrono::seconds>(pause));
      throw error;
    }
    if (request.on_wait) request.on_wait({reason, pause});
    wait_for(with_jitter(pause), stop);
  }
}

}  // namespace lighterd::distribution
