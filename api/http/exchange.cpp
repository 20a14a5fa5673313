// SPDX-License-Identifier: Apache-2.0
#include "api/http/exchange.hpp"

#include <utility>

#include "base/error.hpp"

namespace lighterd::api {
namespace {

// Long enough for a client that keeps up, short enough for one that does not to take no thread from others.
constexpr std::chrono::milliseconds kPatience{5};

}  // namespace

Exchange::Exchange(ServerContext& context, Wire& wire, Request request, const BodyFraming& framing,
                   ResponseTraits traits, bool keep_alive, Handler handler, std::string unsent, std::string buffered)
    : context_(context),
      wire_(wire),
      buffered_(std::move(buffered)),
      unsent_(std::move(unsent)),
      body_(wire, buffered_, framing, context.options.body_idle_timeout, [this] { on_body_complete(); }),
      request_(std::move(request)),
      handler_(std::move(handler)),
      response_(traits, wire, body_, context.options.write_stall_timeout,
                [this, keep_alive] { return keep_alive && !context_.draining.load(std::memory_order_relaxed); }) {
  request_.body = &body_;
  request_.stop = stop_.get_token();
  // A handler that does not read would otherwise never learn that its client has left: all that was to come is here.
  if (framing.kind == BodyKind::kLength && buffered_.size() >= framing.length_bytes) body_complete_ = true;
}

// A client that closes its writing side has left only if it has nothing more to send. The two sides meet here
// from two threads: whoever comes second sees the other's flag.
void Exchange::on_body_complete() {
  body_complete_ = true;
  if (peer_closed_writing_) stop_.request_stop();
}

void Exchange::on_peer_state(Wire::PeerState state) {
  if (state == Wire::PeerState::kOpen) return;
  peer_closed_writing_ = true;
  if (state == Wire::PeerState::kGone) abandon();
  if (body_complete_) stop_.request_stop();
}

void Exchange::abandon() {
  abandoned_ = true;
  stop_.request_stop();
}

Outcome Exchange::run() noexcept {
  try {
    if (abandoned_) return Outcome::kClose;
    if (!std::exchange(begun_, true)) {
      if (!unsent_.empty())
        wire_.write_waiting(base::as_bytes(std::exchange(unsent_, {})), context_.options.write_stall_timeout);
      call_handler();
    }
    if (!response_.send_rest(kPatience)) return Outcome::kParked;
  } catch (const std::exception& failure) {
    answer_failure(failure);
  } catch (...) {
    answer_failure(base::Error(base::ErrorCode::kInternal, "the handler failed in an unknown way"));
  }
  return outcome();
}

void Exchange::call_handler() {
  // What the handler holds on to ends with it.
  const Handler handler = std::exchange(handler_, nullptr);
  handler(request_, response_);
  if (!response_.started()) throw base::Error(base::ErrorCode::kInternal, "the handler gave no answer");
}

void Exchange::answer_failure(const std::exception& failure) noexcept {
  try {
    const auto* error = dynamic_cast<const base::Error*>(&failure);
    const bool cancelled = error != nullptr && error->code() == base::ErrorCode::kCancelled;
    if (cancelled)
      context_.logger.debug("request cancelled", {{"path", request_.path}, {"reason", failure.what()}});
    else
      context_.logger.error("handler failed", {{"path", request_.path}, {"error", failure.what()}});
    // Nobody waits for the answer to what was cancelled for that reason.
    if (cancelled && stop_.stop_requested()) return;
    if (!response_.started()) response_.send(500, "application/json", fault_body(failure.what()));
  } catch (const std::exception&) {
    // The client is gone; the outcome says so.
  }
}

Outcome Exchange::outcome() {
  if (!response_.complete()) return response_.ends_by_close() ? Outcome::kReset : Outcome::kClose;
  if (!body_.discard_available()) return Outcome::kLinger;
  return response_.keep_alive() ? Outcome::kKeepAlive : Outcome::kFinish;
}

}  // namespace lighterd::api
