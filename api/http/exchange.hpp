// SPDX-License-Identifier: Apache-2.0
// One request in the hands of a worker. The worker owns the connection's bytes from hand-over to hand-back; the
// reactor only watches whether the client is still there.
#pragma once

#include <atomic>
#include <memory>
#include <stop_token>
#include <string>

#include "api/http/head_parser.hpp"
#include "api/http/request.hpp"
#include "api/http/response_writer.hpp"
#include "api/http/router.hpp"
#include "api/http/server_context.hpp"
#include "api/http/wire.hpp"

namespace lighterd::api {

// What becomes of the connection.
enum class Outcome {
  kParked,  // the client takes no more for now: run() goes on once it does
  kKeepAlive,
  kFinish,  // close: the request has been read and answered wholly
  kLinger,  // close, but let the client read the answer although it is still sending
  kClose,
  kReset,  // close so that the client cannot take what it got for a complete answer
};

class Exchange {
 public:
  // `unsent` answers of earlier requests go out first. `buffered` is what has arrived behind the head.
  Exchange(ServerContext& context, Wire& wire, Request request, const BodyFraming& framing, ResponseTraits traits,
           bool keep_alive, Handler handler, std::string unsent, std::string buffered);

  // Worker: answers the request, whatever happens. Again after kParked.
  Outcome run() noexcept;
  // After the last run(): what belongs to the next request.
  std::string take_buffered() { return std::move(buffered_); }

  // Instead of run(): what it would have sent first.
  std::string take_unsent() { return std::move(unsent_); }

  // Any thread.
  void on_peer_state(Wire::PeerState state);
  // The server stops, or the client is gone: the handler is not even called, if it was not yet.
  void abandon();

 private:
  void on_body_complete();
  void call_handler();
  void answer_failure(const std::exception& failure) noexcept;
  Outcome outcome();

  ServerContext& context_;
  Wire& wire_;
  std::string buffered_;
  std::string unsent_;
  std::stop_source stop_;
  std::atomic<bool> body_complete_{false};
  std::atomic<bool> peer_closed_writing_{false};
  std::atomic<bool> abandoned_{false};
  BodyReader body_;
  Request request_;
  Handler handler_;
  bool begun_ = false;
  WorkerResponse response_;
};

}  // namespace lighterd::api
