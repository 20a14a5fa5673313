// SPDX-License-Identifier: Apache-2.0
// Our connections on Pistache's reactor. Of Pistache this uses the event loop, the registry of peers, the request
// line parser and the handler interface; its reading and writing of sockets is never reached, because every event
// of a connection is taken here before the base class sees it.
#pragma once

#include <pistache/http.h>
#include <pistache/peer.h>
#include <pistache/reactor.h>
#include <pistache/transport.h>

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "api/http/connection.hpp"
#include "api/http/server_context.hpp"
#include "base/file.hpp"

namespace lighterd::api {

// Takes a request from Pistache's side to the connection that it came from.
class IoHandler final : public Pistache::Http::Handler {
 public:
  HTTP_PROTOTYPE(IoHandler)
  void onRequest(const Pistache::Http::Request& request, Pistache::Http::ResponseWriter response) override;

 private:
  void onConnection(const std::shared_ptr<Pistache::Tcp::Peer>&) override {}
  void onInput(const char*, size_t, const std::shared_ptr<Pistache::Tcp::Peer>&) override {}
};

// A connection that was accepted.
struct Arrival {
  base::UniqueFd fd;
  Connection::Kind kind = Connection::Kind::kUnix;
  std::optional<PeerCredentials> peer = {};
  std::unique_ptr<TlsSession> tls = nullptr;
  bool refused = false;  // one too many
};

class IoTransport final : public Pistache::Tcp::Transport, private ConnectionHost {
 public:
  IoTransport(ServerContext& context, const std::shared_ptr<Pistache::Http::Handler>& handler);

  // Pistache makes the instance that runs by cloning the one that was added.
  std::shared_ptr<Pistache::Aio::Handler> clone() const override;
  void registerPoller(Pistache::Polling::Epoll& poller) override;
  void onReady(const Pistache::Aio::FdSet& fds) override;

  // Any thread: runs the call on the reactor thread.
  void post(std::function<void()> call);
  // Any thread. The connection has been counted by the caller and is uncounted here.
  void adopt(Arrival arrival);
  // Reactor thread, by post.
  void close_idle_connections();
  void cut_connections();

 private:
  struct Slot {
    std::shared_ptr<Pistache::Tcp::Peer> peer;
    std::shared_ptr<Connection> connection;
  };

  void set_interest(Connection& connection, Interest interest) override;
  void remove(Connection& connection) override;
  bool announce_request(Connection& connection, const RequestHead& head) override;
  void run_exchange(Connection& connection, std::shared_ptr<Exchange> exchange) override;
  std::span<std::byte> read_buffer() override { return read_buffer_; }
  std::chrono::steady_clock::time_point now() const override { return now_; }

  void open_connection(Arrival arrival);
  void handle_entry(const Pistache::Aio::FdSet::Entry& entry);
  void run_posted();
  void tick();
  void set_timer_running(bool running);
  std::vector<std::shared_ptr<Connection>> all_connections() const;
  std::shared_ptr<Connection> find_connection(std::uint64_t tag) const;

  ServerContext& context_;
  std::shared_ptr<Pistache::Http::Handler> handler_;
  base::UniqueFd wakeup_;
  base::UniqueFd timer_;
  bool timer_running_ = false;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // under mutex_
  std::vector<Slot> slots_;                    // by descriptor
  std::chrono::steady_clock::time_point now_{};
  Pistache::Http::RequestParser line_parser_;
  std::array<std::byte, 16 * 1024> read_buffer_;
};

}  // namespace lighterd::api
