// SPDX-License-Identifier: Apache-2.0
// One client's connection, as the reactor thread sees it: reads heads, answers what can be answered at once, and
// hands the rest to a worker. Knows nothing of Pistache. Everything here runs on the reactor thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/http/exchange.hpp"
#include "api/http/head_parser.hpp"
#include "api/http/request.hpp"
#include "api/http/server_context.hpp"
#include "api/http/wire.hpp"

namespace lighterd::api {

class Connection;

// What the reactor is to tell a connection of. kDisconnect is edge-triggered, the others are level-triggered.
enum class Interest { kRead, kWrite, kDisconnect };

// The reactor, seen from a connection.
class ConnectionHost {
 public:
  virtual ~ConnectionHost() = default;
  virtual void set_interest(Connection& connection, Interest interest) = 0;
  // Closes the descriptor and forgets the connection, which lives on at least until the current event is done.
  virtual void remove(Connection& connection) = 0;
  // Leads to Connection::on_request, unless the method is unknown: false then.
  virtual bool announce_request(Connection& connection, const RequestHead& head) = 0;
  // Runs the exchange on a worker and then Connection::on_exchange_done here.
  virtual void run_exchange(Connection& connection, std::shared_ptr<Exchange> exchange) = 0;
  // Scratch space for one read.
  virtual std::span<std::byte> read_buffer() = 0;
  // Of the current event.
  virtual std::chrono::steady_clock::time_point now() const = 0;
};

class Connection {
 public:
  enum class Kind { kUnix, kTcp };

  Connection(ConnectionHost& host, ServerContext& context, Wire wire, Kind kind, std::optional<PeerCredentials> peer);

  int fd() const { return wire_.fd(); }
  std::string_view scheme() const { return wire_.is_tls() ? "https" : "http"; }

  // Just registered. `refused`: there are too many; says so and closes.
  void on_open(bool refused);
  // Something happened to the descriptor; what it was is found out here.
  void on_event();
  void on_tick();
  void on_request();
  void on_exchange_done(Outcome outcome);

  // Server stop: closes unless a request is being served.
  void close_if_idle();
  // Server stop, when the grace is over.
  void cut();

 private:
  // kParked: the rest of an answer waits until the client takes more; no thread waits with it.
  enum class State { kHandshaking, kReading, kFlushing, kDetached, kParked, kLingering, kClosed };
  enum class AfterFlush { kRead, kFinish, kLinger };
  using TimePoint = std::chrono::steady_clock::time_point;

  void shake_hands();
  void read_input();
  void process_input();
  bool parse_next();
  void begin_wait();
  void handle_head();
  Request make_request(std::string path);
  void run_inline(Request request, const Handler& handler);
  bool finish_inline_body();
  void detach(Request request, Handler handler);
  void park();
  void resume();
  void answer_fault(const Fault& fault);
  void flush();
  void finish();
  void linger();
  void drain_lingering();
  void watch(Interest interest);
  // At the end of an answer, or between two: what the client got is whole.
  void close_cleanly();
  void close();

  ConnectionHost& host_;
  ServerContext& context_;
  Wire wire_;
  Kind kind_;
  std::optional<PeerCredentials> peer_;
  State state_ = State::kReading;
  AfterFlush after_flush_ = AfterFlush::kRead;
  Interest interest_ = Interest::kRead;
  TimePoint deadline_{};
  HeadParser parser_;
  RequestHead head_;            // of the request that is being announced
  std::string input_;           // from the start of a head on
  std::size_t used_bytes_ = 0;  // of input_, by requests before that
  std::string output_;          // answers not sent yet
  std::size_t lingering_bytes_ = 0;
  bool head_begun_ = false;
  std::shared_ptr<Exchange> exchange_;  // while detached
};

}  // namespace lighterd::api
