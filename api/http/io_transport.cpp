// SPDX-License-Identifier: Apache-2.0
#include "api/http/io_transport.hpp"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.hpp"

namespace lighterd::api {
namespace {

using Pistache::Polling::Mode;
using Pistache::Polling::NotifyOn;
using Pistache::Polling::Tag;

constexpr const char* kConnectionKey = "connection";
constexpr long kTickNanoseconds = 500'000'000;
// The head parser has bounded the request line by then.
constexpr std::size_t kMaxRequestLineBytes = 32 * 1024;

base::UniqueFd make_eventfd() {
  base::UniqueFd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd) throw base::errno_error(errno, "eventfd");
  return fd;
}

base::UniqueFd make_timerfd() {
  base::UniqueFd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!fd) throw base::errno_error(errno, "timerfd");
  return fd;
}

Tag tag_of(int fd) {
  return Tag(static_cast<std::uint64_t>(fd));
}

// Both kinds of descriptors hold one number.
void drain_counter(int fd) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t ignored = ::read(fd, &count, sizeof count);
}

}  // namespace

void IoHandler::onRequest(const Pistache::Http::Request&, Pistache::Http::ResponseWriter response) {
  const std::shared_ptr<Pistache::Tcp::Peer> peer = response.getPeer();
  if (!peer) return;
  if (const auto connection = std::static_pointer_cast<Connection>(peer->tryGetData(kConnectionKey)))
    connection->on_request();
}

IoTransport::IoTransport(ServerContext& context, const std::shared_ptr<Pistache::Http::Handler>& handler)
    : Pistache::Tcp::Transport(handler),
      context_(context),
      handler_(handler),
      wakeup_(make_eventfd()),
      timer_(make_timerfd()),
      line_parser_(kMaxRequestLineBytes) {}

std::shared_ptr<Pistache::Aio::Handler> IoTransport::clone() const {
  return std::make_shared<IoTransport>(context_, std::static_pointer_cast<Pistache::Http::Handler>(handler_->clone()));
}

void IoTransport::registerPoller(Pistache::Polling::Epoll& poller) {
  Pistache::Tcp::Transport::registerPoller(poller);
  poller.addFd(wakeup_.get(), Pistache::Flags<NotifyOn>(NotifyOn::Read), tag_of(wakeup_.get()));
  poller.addFd(timer_.get(), Pistache::Flags<NotifyOn>(NotifyOn::Read), tag_of(timer_.get()));
}

// An exception that left this function would end the process.
void IoTransport::onReady(const Pistache::Aio::FdSet& fds) {
  now_ = std::chrono::steady_clock::now();
  for (const auto& entry : fds) {
    try {
      handle_entry(entry);
    } catch (const std::exception& error) {
      context_.logger.error("event of a connection failed", {{"error", error.what()}});
      const auto connection = find_connection(entry.getTag().value());
      if (connection) connection->cut();
    }
  }
}

void IoTransport::handle_entry(const Pistache::Aio::FdSet::Entry& entry) {
  const std::uint64_t tag = entry.getTag().value();
  if (tag == tag_of(wakeup_.get()).value()) return run_posted();
  if (tag == tag_of(timer_.get()).value()) return tick();
  if (const auto connection = find_connection(tag)) return connection->on_event();
  // The base class's own queues. It must see nothing else: it would write to peers, or throw.
  if (entry.isReadable() && !entry.isWritable()) {
    Pistache::Polling::Event event(entry.getTag());
    event.flags.setFlag(NotifyOn::Read);
    std::vector<Pistache::Polling::Event> events{event};
    Pistache::Tcp::Transport::onReady(Pistache::Aio::FdSet(std::move(events)));
  }
}

void IoTransport::post(std::function<void()> call) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(call));
  }
  const std::uint64_t one = 1;
  if (first) [[maybe_unused]]
    const ssize_t ignored = ::write(wakeup_.get(), &one, sizeof one);
}

void IoTransport::run_posted() {
  drain_counter(wakeup_.get());
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard lock(mutex_);
    calls.swap(posted_);
  }
  for (const auto& call : calls) {
    try {
      call();
    } catch (const std::exception& error) {
      context_.logger.error("call on the reactor thread failed", {{"error", error.what()}});
    }
  }
}

void IoTransport::adopt(Arrival arrival) {
  const auto shared = std::make_shared<Arrival>(std::move(arrival));
  post([this, shared] { open_connection(std::move(*shared)); });
}

void IoTransport::open_connection(Arrival arrival) {
  if (context_.draining) return context_.connections.remove();
  const int number = arrival.fd.get();
  try {
    const auto connection =
        std::make_shared<Connection>(static_cast<ConnectionHost&>(*this), context_,
                                     Wire(number, std::move(arrival.tls)), arrival.kind, arrival.peer);
    const auto peer = Pistache::Tcp::Peer::Create(number, Pistache::Address());
    peer->putData(kConnectionKey, connection);
    const auto index = static_cast<std::size_t>(number);
    if (slots_.size() <= index) slots_.resize(index + 64);
    handleNewPeer(peer);
    slots_[index] = {peer, connection};
    [[maybe_unused]] const int owned_by_the_transport = arrival.fd.release();
  } catch (const std::exception&) {
    context_.connections.remove();
    throw;
  }
  const std::shared_ptr<Connection> connection = slots_[static_cast<std::size_t>(number)].connection;
  set_interest(*connection, Interest::kRead);
  set_timer_running(true);
  connection->on_open(arrival.refused);
}

void IoTransport::set_interest(Connection& connection, Interest interest) {
  switch (interest) {
    case Interest::kRead:
      return reactor()->modifyFd(key(), connection.fd(), NotifyOn::Read, Mode::Level);
    case Interest::kWrite:
      return reactor()->modifyFd(key(), connection.fd(), NotifyOn::Write, Mode::Level);
    case Interest::kDisconnect:
      return reactor()->modifyFd(key(), connection.fd(), NotifyOn::Shutdown, Mode::Edge);
  }
}

void IoTransport::remove(Connection& connection) {
  const Slot slot = std::exchange(slots_[static_cast<std::size_t>(connection.fd())], Slot{});
  try {
    removePeer(slot.peer);
  } catch (const std::exception& error) {
    context_.logger.error("cannot close a connection", {{"error", error.what()}});
  }
  context_.connections.remove();
}

std::shared_ptr<Connection> IoTransport::find_connection(std::uint64_t tag) const {
  return tag < slots_.size() ? slots_[tag].connection : nullptr;
}

// Pistache's parser gets a request line only, and only one that is known to be good.
bool IoTransport::announce_request(Connection& connection, const RequestHead& head) {
  const std::string line = head.method + " " + head.path + " HTTP/1.1\r\n\r\n";
  line_parser_.reset();
  try {
    if (!line_parser_.feed(line.data(), line.size())) return false;
    if (line_parser_.parse() != Pistache::Http::Private::State::Done) return false;
  } catch (const Pistache::Http::HttpError&) {
    return false;
  }
  const Slot& slot = slots_[static_cast<std::size_t>(connection.fd())];
  Pistache::Http::ResponseWriter token(Pistache::Http::Version::Http11, this, handler_.get(), slot.peer);
  handler_->onRequest(line_parser_.request, std::move(token));
  return true;
}

void IoTransport::run_exchange(Connection& connection, std::shared_ptr<Exchange> exchange) {
  const std::shared_ptr<Connection> shared = slots_[static_cast<std::size_t>(connection.fd())].connection;
  context_.workers.submit([this, shared, exchange = std::move(exchange)] {
    const Outcome outcome = exchange->run();
    post([this, shared, outcome] {
      now_ = std::chrono::steady_clock::now();
      shared->on_exchange_done(outcome);
    });
  });
}

void IoTransport::tick() {
  drain_counter(timer_.get());
  const auto connections = all_connections();
  if (connections.empty()) set_timer_running(false);
  for (const auto& connection : connections) connection->on_tick();
}

// An idle daemon has no reason to wake up.
void IoTransport::set_timer_running(bool running) {
  if (std::exchange(timer_running_, running) == running) return;
  itimerspec period{};
  if (running) period.it_interval.tv_nsec = period.it_value.tv_nsec = kTickNanoseconds;
  ::timerfd_settime(timer_.get(), 0, &period, nullptr);
}

std::vector<std::shared_ptr<Connection>> IoTransport::all_connections() const {
  std::vector<std::shared_ptr<Connection>> connections;
  for (const Slot& slot : slots_)
    if (slot.connection) connections.push_back(slot.connection);
  return connections;
}

void IoTransport::close_idle_connections() {
  for (const auto& connection : all_connections()) connection->close_if_idle();
}

void IoTransport::cut_connections() {
  for (const auto& connection : all_connections()) connection->cut();
}

}  // namespace lighterd::api
