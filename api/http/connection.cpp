// SPDX-License-Identifier: Apache-2.0
#include "api/http/connection.hpp"

#include <utility>

#include "api/http/body_reader.hpp"
#include "api/http/fault.hpp"
#include "api/http/origin_check.hpp"
#include "api/http/path.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

// So that one busy client cannot keep the thread from the others.
constexpr int kReadsPerEvent = 4;
// Answers of pipelined requests that are collected before they are sent.
constexpr std::size_t kOutputBatchBytes = 64 * 1024;
constexpr std::size_t kKeptBufferBytes = 4 * 1024;
constexpr std::size_t kLingerBytes = 4 * 1024 * 1024;
constexpr std::chrono::milliseconds kLingerTime{500};

void release_if_large(std::string& buffer, std::size_t kept_bytes) {
  if (buffer.capacity() > kept_bytes) std::string().swap(buffer);
}

}  // namespace

Connection::Connection(ConnectionHost& host, ServerContext& context, Wire wire, Kind kind,
                       std::optional<PeerCredentials> peer)
    : host_(host),
      context_(context),
      wire_(std::move(wire)),
      kind_(kind),
      peer_(peer),
      state_(wire_.is_tls() ? State::kHandshaking : State::kReading),
      parser_({context.options.max_head_bytes, context.options.max_headers}) {}

void Connection::on_open(bool refused) {
  const bool is_new = state_ == State::kHandshaking;
  deadline_ = host_.now() + (is_new ? context_.options.handshake_timeout : context_.options.idle_timeout);
  if (!refused) return;
  // A handshake costs more than an answer is worth then.
  if (is_new) return close();
  answer_fault({503, "too many connections"});
  flush();
}

void Connection::on_event() {
  switch (state_) {
    case State::kHandshaking:
      return shake_hands();
    case State::kReading:
      return read_input();
    case State::kFlushing:
      return flush();
    case State::kDetached:
      return exchange_->on_peer_state(wire_.peer_state());
    case State::kParked:
      return resume();
    case State::kLingering:
      return drain_lingering();
    case State::kClosed:
      return;
  }
}

void Connection::watch(Interest interest) {
  if (interest_ != interest) host_.set_interest(*this, interest_ = interest);
}

void Connection::shake_hands() {
  const WireResult result = wire_.handshake();
  if (result.status == WireStatus::kWouldBlock)
    return watch(result.waits_for == WireEvent::kReadable ? Interest::kRead : Interest::kWrite);
  if (result.status == WireStatus::kDone) {
    state_ = State::kReading;
    watch(Interest::kRead);
    begin_wait();
    if (state_ == State::kReading) read_input();
    return;
  }
  if (!wire_.fall_back_to_plain_http()) return close();
  answer_fault({400, "this port speaks TLS: use https"});
  flush();
}

// What TLS has read already is taken, too: no event will tell of it.
void Connection::read_input() {
  for (int i = 0; state_ == State::kReading && (i < kReadsPerEvent || wire_.has_buffered_input()); ++i) {
    const std::span<std::byte> buffer = host_.read_buffer();
    const WireResult result = wire_.read(buffer);
    if (result.status == WireStatus::kWouldBlock)
      return watch(result.waits_for == WireEvent::kReadable ? Interest::kRead : Interest::kWrite);
    if (result.status == WireStatus::kClosed) return close_cleanly();
    input_.append(base::as_text(buffer.first(result.bytes)));
    process_input();
    // A worker may have the connection by now, and with it the state of TLS.
    if (state_ != State::kReading) return;
    if (result.bytes < buffer.size() && !wire_.has_buffered_input()) break;
  }
  watch(Interest::kRead);
}

// Answers what has arrived wholly. Stops when an answer must be sent first, so that a client that does not read
// is not read from either.
void Connection::process_input() {
  while (state_ == State::kReading && used_bytes_ < input_.size()) {
    if (!parse_next()) break;
    if (output_.size() >= kOutputBatchBytes) {
      flush();
      if (state_ == State::kFlushing) break;
    }
  }
  if (state_ == State::kDetached || state_ == State::kClosed) return;
  input_.erase(0, std::exchange(used_bytes_, 0));
  if (input_.empty()) release_if_large(input_, kKeptBufferBytes);
  if (!output_.empty()) flush();
  if (state_ == State::kReading) begin_wait();
}

// Whether a whole head was there.
bool Connection::parse_next() {
  switch (parser_.feed(std::string_view(input_).substr(used_bytes_))) {
    case HeadParser::Verdict::kMore:
      return false;
    case HeadParser::Verdict::kFault:
      answer_fault(parser_.fault());
      return false;
    case HeadParser::Verdict::kDone:
      used_bytes_ += parser_.head_bytes();
      head_ = parser_.take_head();
      parser_.reset();
      head_begun_ = false;
      handle_head();
      return true;
  }
  return false;
}

// A head has so much time from its first byte on, however slowly it trickles.
void Connection::begin_wait() {
  if (context_.draining.load(std::memory_order_relaxed)) return close_cleanly();
  if (input_.empty()) {
    deadline_ = host_.now() + context_.options.idle_timeout;
  } else if (!std::exchange(head_begun_, true)) {
    deadline_ = host_.now() + context_.options.head_timeout;
  }
}

void Connection::handle_head() {
  if (kind_ == Kind::kTcp)
    if (const auto fault =
            find_origin_fault(head_, {context_.options.host_check, context_.options.host_names, scheme()}))
      return answer_fault(*fault);
  if (!host_.announce_request(*this, head_)) answer_fault({501, "unknown method"});
}

Request Connection::make_request(std::string path) {
  Request request;
  request.method = std::move(head_.method);
  request.path = std::move(path);
  request.raw_path = std::move(head_.path);
  request.query = Parameters::parse(head_.query);
  request.headers = std::move(head_.headers);
  request.peer = peer_;
  request.is_encrypted = wire_.is_tls();
  return request;
}

void Connection::on_request() {
  std::optional<std::string> path = normalize_path(head_.path);
  if (!path) return answer_fault({400, "malformed request path"});
  Request request = make_request(std::move(*path));
  try {
    Dispatched dispatched = context_.dispatch(request);
    if (dispatched.execution == Execution::kInline)
      run_inline(std::move(request), dispatched.handler);
    else
      detach(std::move(request), std::move(dispatched.handler));
  } catch (const base::Error& error) {
    context_.logger.error("request failed", {{"error", error.what()}});
    answer_fault({error.code() == base::ErrorCode::kUnavailable ? 503 : 500, error.text()});
  } catch (const std::exception& error) {
    context_.logger.error("request failed", {{"error", error.what()}});
    answer_fault({500, error.what()});
  }
}

// Whether the body, if there is any, has arrived wholly; takes it off the input then.
bool Connection::finish_inline_body() {
  if (head_.body.kind == BodyKind::kNone) return true;
  std::string rest = input_.substr(used_bytes_);
  BodyReader body(wire_, rest, head_.body, context_.options.body_idle_timeout, nullptr);
  const bool complete = body.discard_available();
  input_ = std::move(rest);
  used_bytes_ = 0;
  return complete;
}

namespace {

// Stands for the body where nobody may wait for it.
class RefusingSource final : public base::Source {
 public:
  std::size_t read(std::span<std::byte>) override {
    throw base::Error(base::ErrorCode::kInternal, "inline handlers cannot read the body");
  }
};

}  // namespace

void Connection::run_inline(Request request, const Handler& handler) {
  RefusingSource no_body;
  request.body = &no_body;
  const bool head_only = request.method == "HEAD";
  bool body_complete = false;
  InlineResponse response({head_only, head_.http10}, output_, [&] {
    body_complete = finish_inline_body();
    return body_complete && head_.keep_alive && !context_.draining.load(std::memory_order_relaxed);
  });
  const std::size_t output_before = output_.size();
  try {
    handler(request, response);
    if (!response.started()) throw base::Error(base::ErrorCode::kInternal, "the handler gave no answer");
  } catch (const std::exception&) {
    output_.resize(output_before);
    throw;
  }
  if (!response.keep_alive()) {
    state_ = State::kFlushing;
    after_flush_ = body_complete ? AfterFlush::kFinish : AfterFlush::kLinger;
  }
}

void Connection::detach(Request request, Handler handler) {
  const ResponseTraits traits{request.method == "HEAD", head_.http10};
  input_.erase(0, std::exchange(used_bytes_, 0));
  exchange_ = std::make_shared<Exchange>(context_, wire_, std::move(request), head_.body, traits, head_.keep_alive,
                                         std::move(handler), std::exchange(output_, {}), std::exchange(input_, {}));
  state_ = State::kDetached;
  host_.set_interest(*this, interest_ = Interest::kDisconnect);
  try {
    host_.run_exchange(*this, exchange_);
  } catch (const std::exception&) {
    output_ = exchange_->take_unsent();
    exchange_.reset();
    state_ = State::kReading;
    throw;
  }
}

void Connection::on_exchange_done(Outcome outcome) {
  const std::shared_ptr<Exchange> exchange = std::exchange(exchange_, nullptr);
  state_ = State::kReading;
  switch (outcome) {
    case Outcome::kParked:
      exchange_ = exchange;
      return park();
    case Outcome::kReset:
      wire_.reset_on_close();
      return close();
    case Outcome::kClose:
      return close();
    case Outcome::kLinger:
      return linger();
    case Outcome::kFinish:
      input_ = exchange->take_buffered();
      return finish();
    case Outcome::kKeepAlive:
      break;
  }
  input_ = exchange->take_buffered();
  if (context_.draining.load(std::memory_order_relaxed)) return finish();
  watch(Interest::kRead);
  process_input();
  if (state_ == State::kReading && wire_.has_buffered_input()) read_input();
}

void Connection::park() {
  state_ = State::kParked;
  deadline_ = host_.now() + context_.options.write_stall_timeout;
  watch(Interest::kWrite);
}

void Connection::resume() {
  state_ = State::kDetached;
  watch(Interest::kDisconnect);
  try {
    host_.run_exchange(*this, exchange_);
  } catch (const std::exception&) {
    close();
  }
}

void Connection::answer_fault(const Fault& fault) {
  output_ += fault_response(fault);
  state_ = State::kFlushing;
  after_flush_ = AfterFlush::kLinger;
}

void Connection::flush() {
  std::size_t sent = 0;
  while (sent < output_.size()) {
    const base::Bytes rest = base::as_bytes(std::string_view(output_).substr(sent));
    const WireResult result = wire_.write({&rest, 1});
    if (result.status == WireStatus::kClosed) return close();
    if (result.status == WireStatus::kWouldBlock) break;
    sent += result.bytes;
  }
  output_.erase(0, sent);
  if (!output_.empty()) {
    if (state_ == State::kReading) after_flush_ = AfterFlush::kRead;
    state_ = State::kFlushing;
    if (sent > 0 || interest_ != Interest::kWrite) deadline_ = host_.now() + context_.options.write_stall_timeout;
    // Without renegotiation no write waits for a read.
    return watch(Interest::kWrite);
  }
  release_if_large(output_, kKeptBufferBytes);
  if (state_ != State::kFlushing) return;
  if (after_flush_ == AfterFlush::kLinger) return linger();
  if (after_flush_ == AfterFlush::kFinish) return finish();
  state_ = State::kReading;
  if (interest_ == Interest::kRead) return;
  watch(Interest::kRead);
  process_input();
}

void Connection::finish() {
  const bool more = used_bytes_ < input_.size() || wire_.read(host_.read_buffer()).status == WireStatus::kDone;
  if (more)
    linger();
  else
    close_cleanly();
}

// A close with unread input would reset the connection and could take the answer from the client.
void Connection::linger() {
  wire_.end_writing();
  state_ = State::kLingering;
  deadline_ = host_.now() + kLingerTime;
  std::string().swap(input_);
  used_bytes_ = 0;
  watch(Interest::kRead);
  drain_lingering();
}

void Connection::drain_lingering() {
  const std::span<std::byte> buffer = host_.read_buffer();
  for (int i = 0; i < kReadsPerEvent; ++i) {
    const WireResult result = wire_.drain(buffer);
    if (result.status == WireStatus::kWouldBlock) return;
    lingering_bytes_ += result.bytes;
    if (result.status == WireStatus::kClosed || lingering_bytes_ > kLingerBytes) return close();
  }
}

void Connection::on_tick() {
  if (state_ == State::kDetached || state_ == State::kClosed) return;
  if (state_ == State::kReading && input_.empty()) {
    release_if_large(input_, 0);
    release_if_large(output_, 0);
  }
  if (host_.now() < deadline_) return;
  if (state_ != State::kReading) return close();
  if (!head_begun_) return close_cleanly();
  answer_fault({408, "the request head took too long"});
  flush();
}

void Connection::close_if_idle() {
  if (state_ == State::kReading) close_cleanly();
  if (state_ == State::kHandshaking) close();
}

void Connection::cut() {
  if (state_ == State::kDetached) {
    exchange_->abandon();
    wire_.shut_down();
  } else {
    close();
  }
}

void Connection::close_cleanly() {
  wire_.close_notify();
  close();
}

void Connection::close() {
  if (std::exchange(state_, State::kClosed) == State::kClosed) return;
  host_.remove(*this);
}

}  // namespace lighterd::api
