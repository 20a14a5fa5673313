// SPDX-License-Identifier: Apache-2.0
#include "api/http/server.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>
#include <utility>

#include "api/http/io_transport.hpp"
#include "api/http/server_context.hpp"
#include "api/http/tls_context.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using std::chrono::milliseconds;

// So many more connections than allowed are told so; beyond that they wait in the kernel's queue.
constexpr std::size_t kRefusedConnections = 64;
constexpr int kBackOffMs = 100;
constexpr int kAcceptsPerEvent = 64;
// What the kernel keeps of an answer whose client is slow. Without this it keeps megabytes, and a thousand such clients
// exhaust the memory of all TCP connections of the machine.
constexpr int kUnsentBytes = 512 * 1024;

// Signals are the main thread's business: threads that are started meanwhile inherit the empty mask.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

std::optional<PeerCredentials> credentials_of(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace

struct Server::State {
  State(ServerOptions options, Dispatch dispatch, base::Logger& logger)
      : context(std::move(options), std::move(dispatch), logger), wakeup(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!wakeup) throw base::errno_error(errno, "eventfd");
  }

  void start_reactor();
  void accept_loop(const std::stop_token& stop);
  // False when there is nothing more to accept for now.
  bool accept_one(const Listener& listener);
  bool back_off(int error);

  ServerContext context;
  base::UniqueFd wakeup;
  std::vector<Listener> listeners;
  std::shared_ptr<Pistache::Aio::Reactor> reactor;
  std::shared_ptr<IoTransport> transport;
  bool started = false;
  bool backing_off = false;
  std::jthread acceptor;
};

void Server::State::start_reactor() {
  reactor = Pistache::Aio::Reactor::create();
  reactor->init(Pistache::Aio::AsyncContext(1, "io"));
  const auto key = reactor->addHandler(std::make_shared<IoTransport>(context, std::make_shared<IoHandler>()));
  transport = std::static_pointer_cast<IoTransport>(reactor->handlers(key).front());
  reactor->run();
}

void Server::State::accept_loop(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "accept");
  while (!stop.stop_requested()) {
    const bool full = context.connections.count() >= context.options.max_connections + kRefusedConnections;
    std::vector<pollfd> entries{{wakeup.get(), POLLIN, 0}};
    if (!full && !backing_off)
      for (const Listener& listener : listeners) entries.push_back({listener.fd(), POLLIN, 0});
    ::poll(entries.data(), entries.size(), full || backing_off ? kBackOffMs : -1);
    backing_off = false;
    for (std::size_t i = 1; i < entries.size(); ++i)
      if (entries[i].revents != 0)
        for (int count = 0; count < kAcceptsPerEvent && accept_one(listeners[i - 1]); ++count) continue;
  }
}

bool Server::State::accept_one(const Listener& listener) {
  base::UniqueFd fd(::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) return back_off(errno);
  const std::size_t count = context.connections.count();
  context.connections.add();
  const bool refused = count >= context.options.max_connections;
  try {
    Arrival arrival;
    if (listener.is_unix()) {
      arrival.peer = credentials_of(fd.get());
    } else {
      const int on = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentBytes, sizeof kUnsentBytes);
      arrival.kind = Connection::Kind::kTcp;
    }
    if (listener.tls() != nullptr) arrival.tls = listener.tls()->make_session(fd.get());
    arrival.fd = std::move(fd);
    arrival.refused = refused;
    transport->adopt(std::move(arrival));
  } catch (const std::exception&) {
    context.connections.remove();
    return back_off(ENOMEM);
  }
  return count + 1 < context.options.max_connections + kRefusedConnections;
}

bool Server::State::back_off(int error) {
  if (error == EINTR || error == ECONNABORTED) return true;
  if (error == EAGAIN) return false;
  context.logger.warn("cannot accept connections for now", {{"error", base::errno_error(error, "accept").text()}});
  backing_off = true;
  return false;
}

Server::Server(ServerOptions options, Dispatch dispatch, base::Logger& logger)
    : state_(std::make_unique<State>(std::move(options), std::move(dispatch), logger)) {}

Server::~Server() {
  stop(milliseconds(0));
}

void Server::start(std::vector<Listener> listeners) {
  if (std::exchange(state_->started, true))
    throw base::Error(base::ErrorCode::kInternal, "the server was started already");
  state_->listeners = std::move(listeners);
  const SignalsBlocked blocked;
  state_->start_reactor();
  state_->acceptor = std::jthread([state = state_.get()](const std::stop_token& stop) { state->accept_loop(stop); });
}

void Server::stop(milliseconds grace) {
  State& state = *state_;
  state.started = true;
  if (!state.reactor) return;
  state.acceptor.request_stop();
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(state.wakeup.get(), &one, sizeof one);
  if (state.acceptor.joinable()) state.acceptor.join();
  state.listeners.clear();

  state.context.draining = true;
  IoTransport* transport = state.transport.get();
  transport->post([transport] { transport->close_idle_connections(); });
  if (!state.context.connections.wait_for_none(grace)) {
    transport->post([transport] { transport->cut_connections(); });
    state.context.connections.wait_for_none();
  }
  state.context.workers.stop();
  state.reactor->shutdown();
  state.transport.reset();
  state.reactor.reset();
}

std::size_t Server::connection_count() const {
  return state_->context.connections.count();
}

}  // namespace lighterd::api
