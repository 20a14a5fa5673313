// SPDX-License-Identifier: Apache-2.0
// Long requests and answers: streams, clients that wait, stop reading or leave, deadlines, and the server's stop.
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <condition_variable>
#include <thread>

#include "api/http/server.hpp"
#include "base/error.hpp"
#include "http_test_support.hpp"

namespace lighterd::api {
namespace {

std::string get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: docker\r\n\r\n";
}

// Returns when the request's stop is requested; true if that happened in time.
bool wait_for_stop(const Request& request) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, request.stop, std::chrono::seconds(10), [] { return false; });
  return request.stop.stop_requested();
}

class StreamTest : public ServerTest {};

TEST_F(StreamTest, IsChunkedAndFlushedAtOnce) {
  Signal go_on;
  route("GET", "/stream", [&](Request&, Response& response) {
    const auto stream = response.start_stream(200, "application/json");
    stream->write(base::as_bytes("first\n"));
    stream->write({});
    go_on.wait();
    stream->write(base::as_bytes("second\n"));
    stream->finish();
    EXPECT_THROW(stream->write(base::as_bytes("late")), base::Error);
  });
  start();
  Client client = connect();
  client.send(get("/stream"));
  std::string head;
  std::string first;
  ASSERT_TRUE(client.read_until("\r\n\r\n", head));
  EXPECT_NE(head.find("Transfer-Encoding: chunked"), std::string::npos);
  ASSERT_TRUE(client.read_until("first\n\r\n", first));
  EXPECT_EQ(first, "6\r\n");
  go_on.set();
  std::string rest;
  ASSERT_TRUE(client.read_until("0\r\n\r\n", rest));
  EXPECT_EQ(rest, "7\r\nsecond\n\r\n");
  client.send(get("/_ping"));
  EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(StreamTest, OfAKnownLengthIsNotChunked) {
  route("GET", "/blob", [](Request&, Response& response) {
    response.add_header("X-Each", "1");
    response.add_header("X-Each", "2");
    const auto stream = response.start_sized_stream(206, "text/plain", 10);
    stream->write(base::as_bytes("hello"));
    EXPECT_THROW(stream->write(base::as_bytes("too much")), base::Error);
    EXPECT_THROW(stream->finish(), base::Error);
    stream->write(base::as_bytes("world"));
    stream->finish();
  });
  start();
  Client client = connect();
  client.send(get("/blob"));
  std::string head;
  ASSERT_TRUE(client.read_until("\r\n\r\n", head));
  EXPECT_NE(head.find("HTTP/1.1 206 "), std::string::npos);
  EXPECT_NE(head.find("Content-Length: 10\r\n"), std::string::npos);
  EXPECT_NE(head.find("X-Each: 1\r\nX-Each: 2\r\n"), std::string::npos);
  std::string body;
  ASSERT_TRUE(client.read_until("world", body));
  EXPECT_EQ(body, "hello");
  client.send(get("/_ping"));
  EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(StreamTest, OfAKnownLengthIsCutWhenItEndsEarly) {
  route("GET", "/blob", [](Request&, Response& response) {
    response.start_sized_stream(200, "text/plain", 10)->write(base::as_bytes("part"));
  });
  start();
  Client client = connect();
  client.send(get("/blob"));
  const Answer answer = client.read_answer();
  EXPECT_EQ(answer.body, "part");
  EXPECT_FALSE(answer.complete);
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(StreamTest, Http10IsDelimitedByTheEnd) {
  route("GET", "/stream", [](Request&, Response& response) {
    const auto stream = response.start_stream(200, "text/plain");
    stream->write(base::as_bytes("a"));
    stream->write(base::as_bytes("b"));
    stream->finish();
  });
  start();
  Client client = connect();
  client.send("GET /stream HTTP/1.0\r\n\r\n");
  const Answer answer = client.read_answer();
  EXPECT_FALSE(answer.headers.contains("transfer-encoding"));
  EXPECT_EQ(answer.body, "ab");
}

TEST_F(StreamTest, HeadGetsTheHeadOnly) {
  route("HEAD", "/stream", [](Request&, Response& response) {
    const auto stream = response.start_stream(200, "text/plain");
    stream->write(base::as_bytes("unseen"));
    stream->finish();
  });
  start();
  Client client = connect();
  client.send("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n" + get("/_ping"));
  EXPECT_EQ(client.read_answer(true).status, 200);
  EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(StreamTest, IsSeenAsBrokenWithoutFinish) {
  route("GET", "/unfinished",
        [](Request&, Response& response) { response.start_stream(200, "text/plain")->write(base::as_bytes("part")); });
  route("GET", "/throws", [](Request&, Response& response) {
    const auto stream = response.start_stream(200, "text/plain");
    stream->write(base::as_bytes("part"));
    throw std::runtime_error("broken");
  });
  start();
  for (const std::string path : {"/unfinished", "/throws"}) {
    Client client = connect();
    client.send(get(path));
    const Answer answer = client.read_answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "part");
    EXPECT_FALSE(answer.complete);
    EXPECT_EQ(client.read_all(), "");
  }
  Client old = connect_tcp();
  old.send("GET /unfinished HTTP/1.0\r\nHost: localhost\r\n\r\n");
  ssize_t count = 0;
  char block[4096];
  while ((count = ::recv(old.fd(), block, sizeof block, 0)) > 0) continue;
  EXPECT_EQ(count, -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(StreamTest, ReadsTheBodyWhileAnswering) {
  route("POST", "/load", [](Request& request, Response& response) {
    const auto stream = response.start_stream(200, "text/plain");
    std::array<std::byte, 7> buffer;
    while (const std::size_t count = request.body->read(buffer)) stream->write(std::span(buffer).first(count));
    stream->finish();
  });
  start();
  Client client = connect();
  client.send("POST /load HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::string head;
  ASSERT_TRUE(client.read_until("\r\n\r\n", head));
  std::string echoed;
  client.send("5\r\nhello\r\n");
  ASSERT_TRUE(client.read_until("hello\r\n", echoed));
  client.send("5\r\nworld\r\n0\r\n\r\n" + get("/_ping"));
  ASSERT_TRUE(client.read_until("0\r\n\r\n", echoed));
  EXPECT_EQ(echoed, "5\r\nworld\r\n");
  EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(StreamTest, ASlowReaderBlocksNobodyElse) {
  std::atomic<std::size_t> written{0};
  route("GET", "/endless", [&](Request& request, Response& response) {
    const auto stream = response.start_stream(200, "text/plain");
    const std::string block(64 * 1024, 'x');
    while (!request.stop.stop_requested()) {
      stream->write(base::as_bytes(block));
      written += block.size();
    }
  });
  start();
  std::vector<Client> slow;
  for (int i = 0; i < 5; ++i) {
    slow.push_back(connect());
    slow.back().send(get("/endless"));
  }
  // Stuck: nothing is written any more while others are served.
  ASSERT_TRUE(eventually([&] {
    const std::size_t before = written;
    for (int i = 0; i < 200; ++i) EXPECT_EQ(ask(get("/_ping")).body, "OK");
    return before > 0 && written == before;
  }));
  // What the sockets do not hold is not produced.
  EXPECT_LT(written, 64u * 1024 * 1024);
}

TEST_F(StreamTest, ASilentClientIsCutAfterTheStallTimeout) {
  options_.write_stall_timeout = milliseconds(200);
  Signal cut;
  route("GET", "/endless", [&](Request&, Response& response) {
    const auto stream = response.start_stream(200, "text/plain");
    const std::string block(64 * 1024, 'x');
    try {
      for (;;) stream->write(base::as_bytes(block));
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kCancelled);
      EXPECT_THROW(stream->finish(), base::Error);
      cut.set();
      throw;
    }
  });
  start();
  Client client = connect();
  client.send(get("/endless"));
  EXPECT_TRUE(cut.wait());
  EXPECT_FALSE(client.read_answer().complete);
}

class BodyTest : public ServerTest {};

TEST_F(BodyTest, ContinueIsSentWhenTheHandlerReads) {
  Signal read_now;
  route("POST", "/echo", [&](Request& request, Response& response) {
    read_now.wait();
    response.send(200, "text/plain", base::read_all(*request.body, 1000, "body"));
  });
  start();
  Client client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  char byte = 0;
  ASSERT_TRUE(eventually([&] { return client.everything_was_read(); }));
  EXPECT_EQ(::recv(client.fd(), &byte, 1, MSG_DONTWAIT), -1);
  read_now.set();
  EXPECT_EQ(client.read_answer().status, 100);
  client.send("hello");
  EXPECT_EQ(client.read_answer().body, "hello");
  client.send(get("/_ping"));
  EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(BodyTest, ContinueIsNotSentWhenTheHandlerDoesNotRead) {
  route("POST", "/refuse", [](Request&, Response& response) { response.send(403, "text/plain", "no"); });
  start();
  for (const std::string path : {"/refuse", "/_ping"}) {
    Client client = connect();
    client.send("POST " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    const Answer answer = client.read_answer();
    EXPECT_NE(answer.status, 100);
    EXPECT_EQ(answer.headers.at("connection"), "close");
    EXPECT_EQ(client.read_all(), "");
  }
}

TEST_F(BodyTest, ContinueIsNotSentWhenTheBodyIsThere) {
  route("POST", "/echo", [](Request& request, Response& response) {
    response.send(200, "text/plain", base::read_all(*request.body, 1000, "body"));
  });
  start();
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello").status,
            200);
}

TEST_F(BodyTest, AnUnreadBodyDoesNotCostTheAnswer) {
  route("POST", "/refuse", [](Request&, Response& response) { response.send(403, "text/plain", "no"); });
  start();
  for (const bool tcp : {false, true}) {
    Client client = tcp ? connect_tcp() : connect();
    client.send("POST /refuse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n");
    // The server takes some more and then closes; the sender may notice.
    const std::string block(100'000, 'x');
    for (int i = 0; i < 20 && client.send(block); ++i) continue;
    const Answer answer = client.read_answer();
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(answer.body, "no");
    EXPECT_EQ(answer.headers.at("connection"), "close");
    EXPECT_EQ(client.read_all(), "");
  }
}

TEST_F(BodyTest, ASmallUnreadBodyKeepsTheConnection) {
  route("POST", "/ignore", [](Request&, Response& response) { response.send(200, "text/plain", "fine"); });
  start();
  Client client = connect();
  client.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + get("/_ping"));
  EXPECT_EQ(client.read_answer().body, "fine");
  EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(BodyTest, AClientThatLeavesMidwayIsSeenByTheReader) {
  std::atomic<int> begun{0};
  std::atomic<int> seen{0};
  route("POST", "/upload", [&](Request& request, Response&) {
    ++begun;
    try {
      base::read_all(*request.body, 1000, "body");
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kCancelled);
      ++seen;
      throw;
    }
  });
  start();
  int count = 0;
  for (const std::string framing : {"Content-Length: 100", "Transfer-Encoding: chunked"}) {
    Client client = connect();
    client.send("POST /upload HTTP/1.1\r\nHost: a\r\n" + framing + "\r\n\r\n64\r\nabc");
    ++count;
    ASSERT_TRUE(eventually([&] { return begun == count; }));
    client.close();
    EXPECT_TRUE(eventually([&] { return seen == count; }));
  }
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 0; }));
}

TEST_F(BodyTest, ASilentUploaderIsGivenUp) {
  options_.body_idle_timeout = milliseconds(100);
  route("POST", "/upload", [&](Request& request, Response& response) {
    try {
      base::read_all(*request.body, 1000, "body");
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kDeadlineExceeded);
      response.send(408, "text/plain", "too slow");
    }
  });
  start();
  Client client = connect();
  client.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
  EXPECT_EQ(client.read_answer().status, 408);
}

class DisconnectTest : public ServerTest {};

TEST_F(DisconnectTest, CancelsAHandlerThatWaits) {
  Signal waiting;
  Signal cancelled;
  route("GET", "/wait", [&](Request& request, Response&) {
    waiting.set();
    EXPECT_TRUE(wait_for_stop(request));
    cancelled.set();
    throw base::Error(base::ErrorCode::kCancelled, "stopped");
  });
  route("POST", "/wait", [&](Request& request, Response&) {
    base::read_all(*request.body, 1000, "body");
    waiting.set();
    EXPECT_TRUE(wait_for_stop(request));
    cancelled.set();
    throw base::Error(base::ErrorCode::kCancelled, "stopped");
  });
  start();
  for (const bool tcp : {false, true}) {
    Client client = tcp ? connect_tcp() : connect();
    client.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_TRUE(waiting.wait());
    const auto before = std::chrono::steady_clock::now();
    client.close();
    EXPECT_TRUE(cancelled.wait());
    EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds(400)) << "found by a timer, not by the event";
  }
  Client uploader = connect();
  uploader.send("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  ASSERT_TRUE(waiting.wait());
  uploader.close();
  EXPECT_TRUE(cancelled.wait());
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 0; }));
}

TEST_F(DisconnectTest, CancelsAHandlerThatDoesNotReadItsBody) {
  Signal waiting;
  Signal cancelled;
  route("POST", "/wait", [&](Request& request, Response&) {
    waiting.set();
    if (wait_for_stop(request)) cancelled.set();
    throw base::Error(base::ErrorCode::kCancelled, "stopped");
  });
  start();
  // A close of TCP looks like the end of the writing side alone.
  for (const std::string body : {"Content-Length: 2\r\n\r\n{}", "Content-Length: 0\r\n\r\n"}) {
    Client client = connect_tcp();
    client.send("POST /wait HTTP/1.1\r\nHost: localhost\r\n" + body);
    ASSERT_TRUE(waiting.wait());
    client.close();
    EXPECT_TRUE(cancelled.wait()) << body;
  }
}

TEST_F(DisconnectTest, AHalfClosedClientGetsNoErrorForWhatItCancelled) {
  route("GET", "/wait", [&](Request& request, Response&) {
    EXPECT_TRUE(wait_for_stop(request));
    throw base::Error(base::ErrorCode::kCancelled, "stopped");
  });
  start();
  Client client = connect();
  client.send(get("/wait"));
  client.shut_down_writing();
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(DisconnectTest, AHalfClosedClientIsCancelledButStillGetsItsAnswer) {
  route("GET", "/slow", [&](Request& request, Response& response) {
    EXPECT_TRUE(wait_for_stop(request));
    response.send(200, "text/plain", "anyway");
  });
  start();
  Client client = connect();
  client.send(get("/slow"));
  client.shut_down_writing();
  EXPECT_EQ(client.read_answer().body, "anyway");
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(DisconnectTest, AHalfCloseBehindTheBodyDoesNotStopItsReading) {
  Signal closed;
  route("POST", "/upload", [&](Request& request, Response& response) {
    closed.wait();
    EXPECT_FALSE(request.stop.stop_requested());
    const std::string body = base::read_all(*request.body, 10'000'000, "body");
    EXPECT_TRUE(wait_for_stop(request));
    response.send(200, "text/plain", std::to_string(body.size()));
  });
  start();
  Client client = connect();
  client.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n" + std::string(50'000, 'x'));
  client.shut_down_writing();
  // The event of the half close has been handled when a later request has been answered.
  EXPECT_EQ(ask(get("/_ping")).body, "OK");
  closed.set();
  EXPECT_EQ(client.read_answer().body, "50000");
}

TEST_F(DisconnectTest, AnInlineRequestWithHalfCloseIsAnswered) {
  start();
  Client client = connect();
  client.send(get("/_ping"));
  client.shut_down_writing();
  EXPECT_EQ(client.read_answer().body, "OK");
  EXPECT_EQ(client.read_all(), "");
}

class DeadlineTest : public ServerTest {};

TEST_F(DeadlineTest, ASlowHeadIsRefused) {
  options_.head_timeout = milliseconds(200);
  start();
  Client client = connect();
  client.send("GET /_ping HTTP/1.1\r\n");
  EXPECT_EQ(client.read_answer().status, 408);
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(DeadlineTest, ATricklingHeadGetsNoMoreTime) {
  options_.head_timeout = milliseconds(300);
  start();
  Client client = connect();
  client.send("GET /_ping HTTP/1.1\r\nX: ");
  pollfd answer{client.fd(), POLLIN, 0};
  for (int i = 0; i < 1000 && ::poll(&answer, 1, 10) == 0; ++i) client.send("a");
  EXPECT_EQ(client.read_answer().status, 408);
}

TEST_F(DeadlineTest, AnIdleConnectionIsClosedSilently) {
  options_.idle_timeout = milliseconds(200);
  start();
  Client silent = connect();
  Client used = connect();
  used.send(get("/_ping"));
  EXPECT_EQ(used.read_answer().body, "OK");
  EXPECT_EQ(used.read_all(), "");
  EXPECT_EQ(silent.read_all(), "");
}

TEST_F(DeadlineTest, ARunningRequestHasNone) {
  options_.idle_timeout = options_.head_timeout = milliseconds(50);
  Signal go_on;
  route("GET", "/long", [&](Request& request, Response& response) {
    go_on.wait();
    EXPECT_FALSE(request.stop.stop_requested());
    response.send(200, "text/plain", "done");
  });
  start();
  Client client = connect();
  client.send(get("/long"));
  Client idle = connect();
  EXPECT_EQ(idle.read_all(), "");  // the deadlines have been looked at meanwhile
  go_on.set();
  EXPECT_EQ(client.read_answer().body, "done");
}

class StopTest : public ServerTest {};

TEST_F(StopTest, ClosesIdleConnectionsAndJoins) {
  start();
  Client idle = connect();
  idle.send(get("/_ping"));
  EXPECT_EQ(idle.read_answer().body, "OK");
  server_->stop(std::chrono::seconds(10));
  EXPECT_EQ(idle.read_all(), "");
  EXPECT_EQ(server_->connection_count(), 0u);
  EXPECT_FALSE(std::filesystem::exists(socket_path()));
  server_->stop(milliseconds(0));
}

TEST_F(StopTest, LetsARunningRequestFinish) {
  Signal entered;
  Signal go_on;
  route("GET", "/long", [&](Request& request, Response& response) {
    entered.set();
    go_on.wait();
    EXPECT_FALSE(request.stop.stop_requested());
    response.send(200, "text/plain", "finished");
  });
  start();
  Client client = connect();
  client.send(get("/long"));
  ASSERT_TRUE(entered.wait());
  std::jthread stopper([&] { server_->stop(std::chrono::seconds(10)); });
  ASSERT_TRUE(eventually([&] { return !std::filesystem::exists(socket_path()); }));
  go_on.set();
  const Answer answer = client.read_answer();
  EXPECT_EQ(answer.body, "finished");
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(StopTest, CancelsAfterTheGrace) {
  Signal entered;
  Signal reading;
  std::atomic<bool> cancelled{false};
  std::atomic<bool> reader_cut{false};
  route("GET", "/long", [&](Request& request, Response&) {
    entered.set();
    cancelled = wait_for_stop(request);
  });
  route("POST", "/upload", [&](Request& request, Response&) {
    reading.set();
    try {
      base::read_all(*request.body, 1000, "body");
    } catch (const base::Error&) {
      reader_cut = true;
    }
  });
  start();
  Client client = connect();
  client.send(get("/long"));
  Client uploader = connect();
  uploader.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx");
  ASSERT_TRUE(entered.wait());
  ASSERT_TRUE(reading.wait());
  server_->stop(milliseconds(50));
  EXPECT_TRUE(cancelled);
  EXPECT_TRUE(reader_cut);
  EXPECT_EQ(client.read_answer().complete, false);
  EXPECT_EQ(server_->connection_count(), 0u);
}

TEST_F(StopTest, CancelsWhatWaitsForAWorker) {
  options_.max_workers = 1;
  Signal entered;
  std::atomic<int> calls{0};
  route("GET", "/long", [&](Request& request, Response&) {
    ++calls;
    entered.set();
    wait_for_stop(request);
  });
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(connect());
    clients.back().send(get("/long"));
  }
  ASSERT_TRUE(entered.wait());
  ASSERT_TRUE(eventually([&] { return clients.back().everything_was_read(); }));
  server_->stop(milliseconds(0));
  EXPECT_EQ(calls, 1);
}

TEST_F(StopTest, EndsUnderLoad) {
  route("GET", "/work", [](Request&, Response& response) { response.send(200, "text/plain", "done"); });
  start();
  std::vector<std::jthread> clients;
  Signal some;
  for (int i = 0; i < 4; ++i)
    clients.emplace_back([&, path = i % 2 == 0 ? "/work" : "/_ping"] {
      Client client = connect();
      for (int count = 0; client.send(get(path)) && client.read_answer().status == 200; ++count)
        if (count == 100) some.set();
    });
  ASSERT_TRUE(some.wait());
  server_->stop(milliseconds(1000));
  EXPECT_EQ(server_->connection_count(), 0u);
}

TEST_F(StopTest, StartsOnceOnly) {
  start();
  EXPECT_THROW(server_->start({}), base::Error);
}

}  // namespace
}  // namespace lighterd::api
