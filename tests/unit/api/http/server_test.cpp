// SPDX-License-Identifier: Apache-2.0
// Requests and answers over real sockets: framing, keep-alive, pipelining, refusals.
#include "api/http/server.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <random>
#include <thread>

#include "base/error.hpp"
#include "http_test_support.hpp"

namespace lighterd::api {
namespace {

using namespace std::string_literals;

std::string body_of(Request& request) {
  return base::read_all(*request.body, 64 * 1024 * 1024, "body");
}

// Answers "<path>?<x of the query> <body>".
void echo(Request& request, Response& response) {
  const std::string* x = request.query.find("x");
  response.send(200, "text/plain", request.path + "?" + (x == nullptr ? "" : *x) + " " + body_of(request));
}

std::string get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: docker\r\n\r\n";
}

std::string post(const std::string& body) {
  return "POST /echo HTTP/1.1\r\nHost: docker\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string post_chunked(const std::string& chunks) {
  return "POST /echo HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks;
}

class HttpServerTest : public ServerTest {
 protected:
  void SetUp() override {
    route("GET", "/echo", echo);
    route("POST", "/echo", echo);
    route("HEAD", "/echo", echo);
    start();
  }
};

TEST_F(HttpServerTest, AnswersInlineAndFromWorkers) {
  const Answer inline_answer = ask(get("/_ping"));
  EXPECT_EQ(inline_answer.status, 200);
  EXPECT_EQ(inline_answer.body, "OK");
  EXPECT_EQ(inline_answer.headers.at("content-type"), "text/plain");
  EXPECT_TRUE(inline_answer.headers.contains("date"));
  EXPECT_FALSE(inline_answer.headers.contains("connection"));
  EXPECT_EQ(ask(get("/echo?x=a%2Fb")).body, "/echo?a/b ");
  EXPECT_EQ(ask(get("//echo")).body, "/echo? ");
  EXPECT_EQ(ask(get("/nowhere")).status, 404);
  EXPECT_EQ(ask(get("/echo%zz")).status, 400);
  EXPECT_EQ(ask(get("/echo%00")).status, 400);
  EXPECT_EQ(ask("PURGE /_ping HTTP/1.1\r\nHost: a\r\n\r\n").status, 501);
}

TEST_F(HttpServerTest, KeepsTheConnection) {
  Client client = connect();
  for (int i = 0; i < 50; ++i) {
    client.send(get("/_ping"));
    EXPECT_EQ(client.read_answer().body, "OK");
    client.send(post("body " + std::to_string(i)));
    EXPECT_EQ(client.read_answer().body, "/echo? body " + std::to_string(i));
  }
  EXPECT_EQ(server_->connection_count(), 1u);
}

TEST_F(HttpServerTest, ClosesWhenAsked) {
  Client client = connect();
  client.send("GET /_ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const Answer answer = client.read_answer();
  EXPECT_EQ(answer.body, "OK");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_EQ(client.read_all(), "");
  client.close();
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 0; }));
}

TEST_F(HttpServerTest, Http10GetsAClosedConnection) {
  Client client = connect();
  client.send("GET /echo?x=1 HTTP/1.0\r\n\r\n");
  const Answer answer = client.read_answer();
  EXPECT_EQ(answer.body, "/echo?1 ");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Client client = connect();
  std::string requests;
  for (int i = 0; i < 100; ++i)
    requests += get("/_ping") + get("/echo?x=" + std::to_string(i)) + post(std::to_string(i));
  requests += post_chunked("2\r\nab\r\n0\r\n\r\n") + get("/_ping");
  std::jthread sender([&] { client.send(requests); });
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(client.read_answer().body, "OK");
    ASSERT_EQ(client.read_answer().body, "/echo?" + std::to_string(i) + " ");
    ASSERT_EQ(client.read_answer().body, "/echo? " + std::to_string(i));
  }
  EXPECT_EQ(client.read_answer().body, "/echo? ab");
  EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(HttpServerTest, PipeliningWithoutReadingIsBounded) {
  Client client = connect();
  const std::string batch = [] {
    std::string text;
    for (int i = 0; i < 100; ++i) text += get("/_ping");
    return text;
  }();
  // Far more answers than the buffers on the way hold: the sender must block until somebody reads.
  constexpr int kBatches = 200;
  std::jthread sender([&] {
    for (int i = 0; i < kBatches; ++i)
      if (!client.send(batch)) return;
  });
  EXPECT_EQ(ask(get("/_ping")).body, "OK");
  for (int i = 0; i < kBatches * 100; ++i) ASSERT_EQ(client.read_answer().body, "OK") << i;
}

TEST_F(HttpServerTest, GivesTheSameAnswerUnderEverySplit) {
  const std::pair<std::string, std::string> cases[] = {
      {get("/_ping"), "200 OK"},
      {get("/echo?x=1"), "200 /echo?1 "},
      {post("hello"), "200 /echo? hello"},
      {post_chunked("5\r\nhello\r\n0\r\n\r\n"), "200 /echo? hello"},
      {post_chunked("5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: 1\r\n\r\n"), "200 /echo? hello world"},
      {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "400 {\"message\":\"malformed request header\"}\n"},
  };
  for (const auto& [request, expected] : cases) {
    for (std::size_t i = 1; i < request.size(); ++i) {
      Client client = connect();
      client.send(request.substr(0, i));
      ASSERT_TRUE(eventually([&] { return client.everything_was_read(); }));
      client.send(request.substr(i));
      const Answer answer = client.read_answer();
      EXPECT_EQ(std::to_string(answer.status) + " " + answer.body, expected) << i;
    }
  }
}

TEST_F(HttpServerTest, TakesRequestsByteByByte) {
  Client client = connect();
  for (const char c : post_chunked("5\r\nhello\r\n0\r\n\r\n") + get("/_ping")) {
    client.send({&c, 1});
    ASSERT_TRUE(eventually([&] { return client.everything_was_read(); }));
  }
  EXPECT_EQ(client.read_answer().body, "/echo? hello");
  EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(HttpServerTest, RefusesAndClosesOnMalformedRequests) {
  const std::pair<std::string, int> cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET /_ping HTTP/1.1\nHost: a\n\n", 400},
      {"GET /_ping HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s, 400},
      {"GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n\r\n", 414},
      {"GET /_ping HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n", 431},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: tea\r\n\r\n", 417},
  };
  for (const auto& [request, status] : cases) {
    Client client = connect();
    client.send(request + get("/_ping"));
    const Answer answer = client.read_answer();
    EXPECT_EQ(answer.status, status) << request.substr(0, 60);
    EXPECT_TRUE(answer.body.starts_with("{\"message\":\"") && answer.body.ends_with("\"}\n")) << answer.body;
    EXPECT_EQ(answer.headers.at("content-type"), "application/json");
    EXPECT_EQ(answer.headers.at("connection"), "close");
    EXPECT_EQ(client.read_all(), "") << request.substr(0, 60);
  }
  EXPECT_EQ(ask(get("/_ping")).body, "OK");
}

TEST_F(HttpServerTest, RefusesTooManyFieldsButTakesALongOne) {
  std::string many;
  for (int i = 0; i < 200; ++i) many += "X: 1\r\n";
  EXPECT_EQ(ask("GET /_ping HTTP/1.1\r\nHost: a\r\n" + many + "\r\n").status, 431);
  EXPECT_EQ(ask("GET /_ping HTTP/1.1\r\nHost: a\r\nX-Registry-Auth: " + std::string(12'000, 'a') + "\r\n\r\n").status,
            200);
}

TEST_F(HttpServerTest, AMalformedChunkEndsTheConnection) {
  Client client = connect();
  client.send(post_chunked("5\r\nhelloX\r\n0\r\n\r\n") + get("/_ping"));
  const Answer answer = client.read_answer();
  EXPECT_EQ(answer.status, 500);
  EXPECT_NE(answer.body.find("malformed chunked body"), std::string::npos);
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(HttpServerTest, TakesLargeBodies) {
  const std::string block(100'000, 'x');
  EXPECT_EQ(ask(post(block)).body.size(), block.size() + 7);
  std::string chunks;
  for (int i = 0; i < 100; ++i) chunks += "186a0\r\n" + block + "\r\n";
  Client client = connect();
  std::jthread sender([&] { client.send(post_chunked(chunks + "0\r\n\r\n") + get("/_ping")); });
  EXPECT_EQ(client.read_answer().body.size(), block.size() * 100 + 7);
  EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  Client client = connect();
  client.send("HEAD /_ping HTTP/1.1\r\nHost: a\r\n\r\nHEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n" + get("/_ping"));
  EXPECT_EQ(client.read_answer(true).headers.at("content-length"), "2");
  EXPECT_EQ(client.read_answer(true).headers.at("content-length"), "7");
  EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(HttpServerTest, AnInlineRouteSkipsTheBody) {
  Client client = connect();
  const std::string tail = " /_ping HTTP/1.1\r\nHost: a\r\n";
  client.send("POST" + tail + "Content-Length: 5\r\n\r\nhello" + "POST" + tail +
              "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n" + get("/_ping"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(HttpServerTest, AnInlineRouteDoesNotWaitForTheBody) {
  Client client = connect();
  client.send("POST /_ping HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\nhello");
  const Answer answer = client.read_answer();
  EXPECT_EQ(answer.body, "OK");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(HttpServerTest, ChecksHostAndOriginOnTcpOnly) {
  const auto request = [](const std::string& fields) { return "GET /_ping HTTP/1.1\r\n" + fields + "\r\n"; };
  const std::pair<std::string, int> cases[] = {
      {"Host: 127.0.0.1\r\n", 200},
      {"Host: 127.0.0.1:2375\r\n", 200},
      {"Host: 10.0.0.1\r\n", 200},
      {"Host: localhost\r\n", 200},
      {"Host: LocalHost:80\r\n", 200},
      {"Host: [::1]\r\n", 200},
      {"Host: [::1]:80\r\n", 200},
      {"Host: evil.com\r\n", 403},
      {"Host: evil.com:2375\r\n", 403},
      {"Host: localhost.evil.com\r\n", 403},
      {"Host: 127.0.0.1.evil.com\r\n", 403},
      {"Host: localhost:80x\r\n", 403},
      {"Host: localhost@evil.com\r\n", 403},
      {"Host: [::1\r\n", 403},
      {"Host: [::1]x\r\n", 403},
      {"Host: ::1\r\n", 403},
      {"Host:\r\n", 403},
      {"Host: docker\r\n", 403},
      {"Host: localhost\r\nOrigin: https://evil.com\r\n", 403},
      {"Host: localhost\r\nOrigin: null\r\n", 403},
      {"Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.com\r\n", 403},
      {"Host: localhost:1\r\nOrigin: http://localhost:1\r\n", 200},
      {"Host: localhost:1\r\nOrigin: http://localhost:2\r\n", 403},
      {"Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", 403},
      {"Host: localhost\r\nSec-Fetch-Site: same-site\r\n", 403},
      {"Host: localhost\r\nSec-Fetch-Site: same-origin\r\n", 200},
      {"Host: localhost\r\nSec-Fetch-Site: none\r\n", 200},
  };
  for (const auto& [fields, status] : cases) {
    Client tcp = connect_tcp();
    tcp.send(request(fields));
    EXPECT_EQ(tcp.read_answer().status, status) << fields;
    EXPECT_EQ(ask(request(fields)).status, 200) << fields;
  }
  Client absolute = connect_tcp();
  absolute.send("GET http://evil.com/_ping HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(absolute.read_answer().status, 403);
  Client old = connect_tcp();
  old.send("GET /_ping HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.read_answer().status, 403);
}

TEST_F(ServerTest, MayBeReachedByName) {
  options_.host_check = HostCheck::kAny;
  start();
  const std::pair<std::string, int> cases[] = {
      {"Host: registry.example.com\r\n", 200},
      {"Host: registry.example.com:5000\r\nOrigin: http://registry.example.com:5000\r\n", 200},
      {"Host: registry.example.com\r\nOrigin: http://evil.com\r\n", 403},
      {"Host: registry.example.com\r\nSec-Fetch-Site: cross-site\r\n", 403},
  };
  for (const auto& [fields, status] : cases) {
    Client client = connect_tcp();
    client.send("GET /_ping HTTP/1.1\r\n" + fields + "\r\n");
    EXPECT_EQ(client.read_answer().status, status) << fields;
  }
}

TEST_F(HttpServerTest, MutatedRequestsDoNoHarm) {
  const std::string seeds[] = {get("/echo?x=%41"), post("hello") + get("/_ping"),
                               post_chunked("5;a=b\r\nhello\r\n0\r\nT: 1\r\n\r\n") + get("/_ping"),
                               "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab"};
  constexpr std::string_view kBytes("\0\r\n\t :;,%/?0f\x7f\xff", 15);
  std::minstd_rand random(1);
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random()) % bound; };
  for (int i = 0; i < 2000; ++i) {
    std::string request = seeds[below(std::size(seeds))];
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
      const std::size_t at = below(request.size());
      switch (below(4)) {
        case 0:
          request[at] = kBytes[below(kBytes.size())];
          break;
        case 1:
          request.insert(at, 1, kBytes[below(kBytes.size())]);
          break;
        case 2:
          request.erase(at, 1 + below(5));
          break;
        default:
          request.insert(at, request.substr(below(request.size()), 10));
          break;
      }
    }
    Client client = connect();
    client.send(request);
    client.shut_down_writing();
    client.read_all();
  }
  EXPECT_EQ(ask(get("/_ping")).body, "OK");
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 0; }));
}

class AnswerTest : public ServerTest {};

TEST_F(AnswerTest, KnowsThePeerOnUnixSockets) {
  route("GET", "/who", [](Request& request, Response& response) {
    response.send(200, "text/plain", request.peer ? std::to_string(request.peer->pid) : "nobody");
  });
  start();
  EXPECT_EQ(ask(get("/who")).body, std::to_string(::getpid()));
  Client tcp = connect_tcp();
  tcp.send("GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(tcp.read_answer().body, "nobody");
}

TEST_F(AnswerTest, SetsHeadersOnce) {
  route("GET", "/headers", [](Request&, Response& response) {
    response.set_header("X-One", "a");
    response.set_header("x-one", "b");
    EXPECT_THROW(response.set_header("X-Two", "a\r\nX-Three: b"), base::Error);
    EXPECT_THROW(response.set_header("Content-Length", "1"), base::Error);
    EXPECT_FALSE(response.started());
    response.send(418, "", "teapot");
    EXPECT_TRUE(response.started());
    EXPECT_THROW(response.send(200, "", "again"), base::Error);
  });
  start();
  const Answer answer = ask(get("/headers"));
  EXPECT_EQ(answer.status, 418);
  EXPECT_EQ(answer.body, "teapot");
  EXPECT_EQ(answer.headers.at("x-one"), "b");
  EXPECT_FALSE(answer.headers.contains("x-three"));
  EXPECT_FALSE(answer.headers.contains("content-type"));
}

TEST_F(AnswerTest, ANoContentAnswerHasNoLength) {
  for (const auto execution : {Execution::kInline, Execution::kWorker})
    route(
        "DELETE", execution == Execution::kInline ? "/inline" : "/worker",
        [](Request&, Response& response) { response.send(204, "", "ignored"); }, execution);
  start();
  Client client = connect();
  for (const std::string path : {"/inline", "/worker"}) {
    client.send("DELETE " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
    const Answer answer = client.read_answer();
    EXPECT_EQ(answer.status, 204);
    EXPECT_FALSE(answer.headers.contains("content-length"));
    client.send(get("/_ping"));
    EXPECT_EQ(client.read_answer().body, "OK");
  }
}

TEST_F(AnswerTest, AHeadMayStateTheLengthItself) {
  route("HEAD", "/blob", [](Request&, Response& response) {
    response.set_header("Content-Length", "12345678901");
    response.send(200, "application/octet-stream", "");
  });
  start();
  Client client = connect();
  client.send("HEAD /blob HTTP/1.1\r\nHost: a\r\n\r\n" + get("/_ping"));
  EXPECT_EQ(client.read_answer(true).headers.at("content-length"), "12345678901");
  EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(AnswerTest, ExceptionsBecomeServerErrors) {
  for (const auto execution : {Execution::kInline, Execution::kWorker}) {
    const std::string prefix = execution == Execution::kInline ? "/inline" : "/worker";
    route(
        "GET", prefix + "/throws", [](Request&, Response&) { throw std::runtime_error("it \"broke\""); }, execution);
    route(
        "GET", prefix + "/odd", [](Request&, Response&) { throw 42; }, Execution::kWorker);
    route(
        "GET", prefix + "/silent", [](Request&, Response&) {}, execution);
  }
  start();
  for (const std::string prefix : {"/inline", "/worker"}) {
    const Answer answer = ask(get(prefix + "/throws"));
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(answer.body, "{\"message\":\"it \\\"broke\\\"\"}\n");
    EXPECT_EQ(ask(get(prefix + "/silent")).status, 500);
    EXPECT_EQ(ask(get(prefix + "/odd")).status, 500);
  }
}

TEST_F(AnswerTest, SendsFiles) {
  const auto file = directory_.path() / "file";
  std::string content;
  for (int i = 0; content.size() < 3'000'000; ++i) content += std::to_string(i) + "\n";
  std::ofstream(file) << content;
  const auto send = [&](std::uint64_t offset, std::uint64_t length) {
    return [=](Request&, Response& response) {
      response.send_file(206, "application/octet-stream", base::open_file(file, O_RDONLY), offset, length);
    };
  };
  route("GET", "/all", send(0, content.size()));
  route("HEAD", "/all", send(0, content.size()));
  route("GET", "/part", send(1000, 5));
  route("GET", "/short", send(10, content.size()));
  start();
  EXPECT_EQ(ask(get("/all")).body, content);
  EXPECT_EQ(ask(get("/part")).body, content.substr(1000, 5));
  EXPECT_FALSE(ask(get("/short")).complete);
  Client client = connect();
  client.send("HEAD /all HTTP/1.1\r\nHost: a\r\n\r\n" + get("/_ping"));
  EXPECT_EQ(client.read_answer(true).headers.at("content-length"), std::to_string(content.size()));
  EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(AnswerTest, RefusesOneConnectionTooMany) {
  options_.max_connections = 3;
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(connect());
    clients.back().send(get("/_ping"));
    EXPECT_EQ(clients.back().read_answer().status, 200);
  }
  Client refused = connect();
  EXPECT_EQ(refused.read_answer().status, 503);
  EXPECT_EQ(refused.read_all(), "");
  refused.close();
  clients.pop_back();
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 2; }));
  EXPECT_EQ(ask(get("/_ping")).status, 200);
}

TEST_F(AnswerTest, ServesManyConnections) {
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 500; ++i) clients.push_back(connect());
  for (int round = 0; round < 3; ++round) {
    for (Client& client : clients) client.send(get("/_ping"));
    for (Client& client : clients) ASSERT_EQ(client.read_answer().body, "OK");
  }
  EXPECT_EQ(server_->connection_count(), 500u);
  clients.clear();
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 0; }));
}

TEST_F(AnswerTest, MoreRequestsThanWorkersWaitTheirTurn) {
  options_.max_workers = 2;
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  route("GET", "/work", [&](Request&, Response& response) {
    const int now = ++running;
    int seen = most;
    while (seen < now && !most.compare_exchange_weak(seen, now)) continue;
    std::this_thread::yield();
    --running;
    response.send(200, "text/plain", "done");
  });
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(connect());
    clients.back().send(get("/work"));
  }
  for (Client& client : clients) EXPECT_EQ(client.read_answer().body, "done");
  EXPECT_LE(most, 2);
}

}  // namespace
}  // namespace lighterd::api
