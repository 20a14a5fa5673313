// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <future>
#include <thread>

#include "base/file.hpp"
#include "distribution/body_source.hpp"
#include "distribution/curl_http_client.hpp"
#include "tests/support/fake_registry.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;
using tests::Fault;
using namespace std::chrono_literals;

class HttpCurlClient : public testing::Test {
 protected:
  HttpRequest get(const std::string& path) const {
    HttpRequest request;
    request.url = server.url() + path;
    return request;
  }
  HttpResponse perform(const HttpRequest& request, std::size_t limit = 1 << 20) {
    return http.perform(request, nullptr, limit, {});
  }
  // The error of an exchange that must fail.
  template <typename E = Error>
  E failure(const HttpRequest& request, std::size_t limit = 1 << 20) {
    try {
      perform(request, limit);
    } catch (const E& error) {
      return error;
    }
    throw std::logic_error("no such error");
  }

  tests::FakeRegistry server;
  CurlHttpClient http;
};

TEST_F(HttpCurlClient, SendsWhatTheRequestHoldsAndNoMore) {
  HttpRequest request = get("/v2/?a=%2F");
  request.headers = {{"User-Agent", "ua"}, {"X-Meta-A", "1"}, {"X-Empty", ""}};
  request.authorization = base::Secret("Bearer t");
  const HttpResponse response = perform(request);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "{}");
  EXPECT_EQ(response.peer->address_class(), AddressClass::kLoopback);
  const auto seen = server.requests();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].query, "a=%2F");
  EXPECT_EQ(seen[0].header("user-agent"), "ua");
  EXPECT_EQ(seen[0].header("authorization"), "Bearer t");
  EXPECT_EQ(seen[0].header("accept-encoding"), "identity");
  perform(get("/v2/"));
  EXPECT_EQ(server.requests()[1].header("authorization"), "");
  EXPECT_EQ(server.requests()[1].header("x-meta-a"), "");
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(HttpCurlClient, DoesNotFollowRedirectsOrKeepCookies) {
  server.add_fault({.status = 302, .headers = {{"Location", "/v2/elsewhere"}, {"Set-Cookie", "a=b"}}});
  EXPECT_EQ(perform(get("/v2/")).status, 302);
  perform(get("/v2/"));
  EXPECT_EQ(server.requests().size(), 2U);
  EXPECT_EQ(server.requests()[1].header("cookie"), "");
}

TEST_F(HttpCurlClient, RefusesToSendLineBreaks) {
  HttpRequest request = get("/v2/");
  request.headers = {{"X", "a\r\nAuthorization: b"}};
  EXPECT_EQ(failure(request).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(failure(get("/v2/\r\nX: y")).code(), ErrorCode::kInvalidArgument);
  HttpRequest file;
  file.url = "file:///etc/passwd";
  EXPECT_EQ(failure(file).code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(HttpCurlClient, UploadsBodiesAndSendsLengthZeroWithout) {
  HttpRequest request = get("/v2/x");
  request.method = "PUT";
  request.body = make_body("text/plain", std::string(3'000'000, 'x'));
  perform(request);
  request.method = "POST";
  request.body.reset();
  perform(request);
  const auto seen = server.requests();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].body_bytes, 3'000'000);
  EXPECT_EQ(seen[0].header("content-type"), "text/plain");
  EXPECT_EQ(seen[0].header("expect"), "");
  EXPECT_EQ(seen[1].method, "POST");
  EXPECT_EQ(seen[1].header("content-length"), "0");
  EXPECT_EQ(seen[1].header("content-type"), "");
}

TEST_F(HttpCurlClient, ConnectionRefusedReadsAsDockerPrintsIt) {
  std::uint16_t port = 0;
  { port = tests::FakeRegistry().port(); }
  HttpRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(port) + "/v2/?token=secret";
  const auto error = failure<TransportError>(request);
  EXPECT_EQ(error.kind(), TransportFailure::kConnect);
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  const std::string host = "127.0.0.1:" + std::to_string(port);
  EXPECT_EQ(error.text(),
            "Get \"http://" + host + "/v2/?token=REDACTED\": dial tcp " + host + ": connect: connection refused");
}

TEST_F(HttpCurlClient, UnknownHostIsAResolveFailure) {
  HttpRequest request;
  request.url = "http://does-not-exist.invalid/v2/";
  const auto error = failure<TransportError>(request);
  EXPECT_EQ(error.kind(), TransportFailure::kResolve);
  EXPECT_NE(error.text().find("dial tcp: lookup does-not-exist.invalid: no such host"), std::string::npos)
      << error.text();
  // The client is as good as new.
  EXPECT_EQ(failure<TransportError>(request).kind(), TransportFailure::kResolve);
}

TEST_F(HttpCurlClient, PlaintextPeerIsATlsFailure) {
  HttpRequest request;
  request.url = "https://" + server.host() + "/v2/";
  const auto error = failure<TransportError>(request);
  EXPECT_EQ(error.kind(), TransportFailure::kTls) << error.text();
  EXPECT_EQ(server.tls_attempts(), 1);
  EXPECT_TRUE(server.requests().empty());
}

struct BrokenCase {
  const char* name;
  Fault fault;
  TransportFailure kind = TransportFailure::kBroken;
};
class HttpBroken : public testing::TestWithParam<BrokenCase> {};
TEST_P(HttpBroken, IsATransportError) {
  tests::FakeRegistry server;
  CurlHttpClient http;
  server.add_fault(GetParam().fault);
  HttpRequest request;
  request.url = server.url() + "/v2/";
  try {
    http.perform(request, nullptr, 1000, {});
    FAIL() << "no error";
  } catch (const TransportError& error) {
    EXPECT_EQ(error.kind(), GetParam().kind) << error.text();
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Table, HttpBroken,
    testing::Values(
        BrokenCase{"dropped", {.drop_connection = true}},
        BrokenCase{"truncated", {.body = std::string(500, 'x'), .cut_after_bytes = 100}},
        BrokenCase{"garbage", {.raw = "not http at all\r\n\r\n"}},
        BrokenCase{"half_head", {.raw = "HTTP/1.1 200 OK\r\nContent-Le"}},
        BrokenCase{"bad_chunk", {.raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc"}},
        BrokenCase{"cut_chunk", {.raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"}},
        BrokenCase{"headers", {.headers = {{"X-Long", std::string(70'000, 'x')}}}, TransportFailure::kMalformed},
        BrokenCase{"header_count",
                   {.raw = "HTTP/1.1 200 OK\r\n" +
                           [] {
                             std::string lines;
                             for (int i = 0; i < 1000; ++i) lines += "A: b\r\n";
                             return lines;
                           }()},
                   TransportFailure::kMalformed}),
    [](const auto& each) { return std::string(each.param.name); });

// A listener of ::1 whose connections nobody accepts: they are made, and then silent.
base::UniqueFd listen_in_vain(std::uint16_t port) {
  base::UniqueFd fd(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  address.sin6_port = htons(port);
  if (!fd || bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd.get(), 16) != 0)
    return {};
  return fd;
}

TEST_F(HttpCurlClient, AnotherAddressIsTriedAfterOneThatStalled) {
  const base::UniqueFd silent = listen_in_vain(server.port());
  if (!silent) GTEST_SKIP() << "this machine has no IPv6 loopback";
  HttpRequest request;
  request.url = "http://localhost:" + std::to_string(server.port()) + "/v2/";
  request.stall_timeout = std::chrono::milliseconds(200);
  request.avoid = {*find_ip_address("127.0.0.1")};
  const auto error = failure<TransportError>(request);
  if (error.kind() == TransportFailure::kConnect) GTEST_SKIP() << "localhost has no IPv6 address here";
  EXPECT_EQ(error.kind(), TransportFailure::kTimeout) << error.text();
  ASSERT_TRUE(error.peer());
  EXPECT_FALSE(error.peer()->is_ipv4());
  request.avoid = {*error.peer()};
  EXPECT_EQ(perform(request, 1000).status, 200);
  request.avoid.push_back(*find_ip_address("127.0.0.1"));
  EXPECT_EQ(failure<TransportError>(request).kind(), TransportFailure::kConnect);
}

TEST_F(HttpCurlClient, ADripIsNoProgress) {
  server.add_fault({.body = std::string(500, 'x'), .chunk_bytes = 1, .chunk_pause = std::chrono::milliseconds(20)});
  HttpRequest request = get("/v2/");
  request.stall_timeout = std::chrono::milliseconds(200);
  const auto error = failure<TransportError>(request);
  EXPECT_EQ(error.kind(), TransportFailure::kTimeout);
  EXPECT_NE(error.text().find("bytes in 600 ms"), std::string::npos) << error.text();
}

TEST_F(HttpCurlClient, AnAnswerMayTakeItsTimeAfterTheBody) {
  server.add_fault({.method = "PUT", .times = 2, .stall_before_head = true});
  HttpRequest request = get("/v2/");
  request.method = "PUT";
  request.body = make_body("text/plain", "body");
  request.stall_timeout = std::chrono::milliseconds(50);
  EXPECT_NE(failure<TransportError>(request).text().find("no data for 50 ms"), std::string::npos);
  request.answer_timeout = std::chrono::milliseconds(150);
  EXPECT_NE(failure<TransportError>(request).text().find("no data for 150 ms"), std::string::npos);
}

// Takes one request at about 100 KB/s, through buffers as small as they can be, and answers 200.
class SlowUplink {
 public:
  SlowUplink() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    const int least = 4096;
    if (setsockopt(listener_.get(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least) != 0 ||
        bind(listener_.get(), generic, length) != 0 || listen(listener_.get(), 1) != 0 ||
        getsockname(listener_.get(), generic, &length) != 0) {
      throw std::runtime_error("slow uplink: cannot listen");
    }
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
    worker_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }
  ~SlowUplink() {
    worker_.request_stop();
    shutdown(listener_.get(), SHUT_RDWR);
  }
  const std::string& url() const { return url_; }

 private:
  void serve(const std::stop_token& stop) {
    const base::UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::string seen;
    char data[2048];
    while (peer && !stop.stop_requested() && !seen.ends_with("END")) {
      const ssize_t count = recv(peer.get(), data, sizeof data, 0);
      if (count <= 0) return;
      seen.append(data, static_cast<std::size_t>(count));
      try {
        wait_for(std::chrono::milliseconds(20), stop);
      } catch (const Error&) {
        return;
      }
    }
    constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    send(peer.get(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL);
  }

  base::UniqueFd listener_;
  std::string url_;
  std::jthread worker_;
};

TEST_F(HttpCurlClient, ASlowUplinkIsNoStall) {
  const SlowUplink uplink;
  HttpRequest request;
  request.url = uplink.url();
  request.method = "PUT";
  request.body = make_body("text/plain", std::string(400'000, 'x') + "END");
  request.stall_timeout = std::chrono::milliseconds(1000);
  request.answer_timeout = std::chrono::milliseconds(2000);
  EXPECT_EQ(perform(request).status, 200);
}

TEST_F(HttpCurlClient, CollectsNoMoreThanAllowed) {
  server.add_fault({.times = -1, .body = std::string(64 * 1024, 'x'), .endless_body = true});
  EXPECT_EQ(failure(get("/v2/"), 1'000'000).code(), ErrorCode::kDataLoss);
  server.clear_faults();
  server.add_fault({.times = -1, .body = std::string(1000, 'x')});
  EXPECT_EQ(perform(get("/v2/"), 1000).body.size(), 1000U);
  EXPECT_EQ(failure(get("/v2/"), 999).code(), ErrorCode::kDataLoss);
}

TEST_F(HttpCurlClient, SkipsInterimResponses) {
  server.add_fault(
      {.raw = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
  const HttpResponse response = perform(get("/v2/"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.find_header("link"), nullptr);
  EXPECT_EQ(response.body, "ok");
}

class ThrowingSink final : public base::Sink {
 public:
  void write(base::Bytes) override { throw Error(ErrorCode::kNoSpace, "disk full"); }
};

TEST_F(HttpCurlClient, RethrowsWhatSinkAndHeadThrow) {
  ThrowingSink sink;
  try {
    http.perform(get("/v2/"), [&](const HttpResponse&) { return &sink; }, 10, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNoSpace);
  }
  EXPECT_THROW(http.perform(get("/v2/"), [](const HttpResponse&) -> base::Sink* { throw 7; }, 10, {}), int);
  EXPECT_EQ(perform(get("/v2/")).status, 200);
}

struct StopCase {
  const char* name;
  Fault fault;
};
class HttpStop : public testing::TestWithParam<StopCase> {};
TEST_P(HttpStop, EndsAStalledExchangeAtOnce) {
  tests::FakeRegistry server;
  CurlHttpClient http;
  server.add_fault(GetParam().fault);
  HttpRequest request;
  request.url = server.url() + "/v2/";
  std::stop_source source;
  auto result = std::async(std::launch::async, [&] {
    try {
      http.perform(request, nullptr, 1 << 20, source.get_token());
    } catch (const Error& error) {
      return std::pair(error.code(), std::chrono::steady_clock::now());
    }
    return std::pair(ErrorCode::kInternal, std::chrono::steady_clock::now());
  });
  ASSERT_TRUE(server.wait_for_requests(1, "GET", "*"));
  const auto stopped = std::chrono::steady_clock::now();
  source.request_stop();
  const auto [code, ended] = result.get();
  EXPECT_EQ(code, ErrorCode::kCancelled);
  EXPECT_LT(ended - stopped, 100ms);
}
INSTANTIATE_TEST_SUITE_P(Table, HttpStop,
                         testing::Values(StopCase{"before_head", {.stall_before_head = true}},
                                         StopCase{"in_body",
                                                  {.body = std::string(1000, 'x'), .stall_after_bytes = 10}}),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_F(HttpCurlClient, DoesNotStartWhenStoppedAlready) {
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(http.perform(get("/v2/"), nullptr, 10, source.get_token()), Error);
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(HttpCurlClient, StallAndTotalTimeEnd) {
  server.add_fault({.times = -1, .body = std::string(1000, 'x'), .stall_after_bytes = 10});
  HttpRequest request = get("/v2/");
  request.stall_timeout = 50ms;
  EXPECT_EQ(failure<TransportError>(request).kind(), TransportFailure::kTimeout);
  EXPECT_EQ(failure(request).code(), ErrorCode::kDeadlineExceeded);
  request.stall_timeout = 60s;
  request.total_timeout = 50ms;
  EXPECT_EQ(failure(request).code(), ErrorCode::kDeadlineExceeded);
}

TEST_F(HttpCurlClient, SlowSinkIsNoStall) {
  class SlowSink final : public base::Sink {
   public:
    void write(base::Bytes data) override {
      bytes += data.size();
      std::this_thread::sleep_for(300ms);  // the time is what is tested
    }
    std::size_t bytes = 0;
  } sink;
  server.add_fault({.body = std::string(20, 'x'), .chunk_bytes = 10});
  HttpRequest request = get("/v2/");
  request.stall_timeout = 200ms;
  http.perform(request, [&](const HttpResponse&) { return &sink; }, 10, {});
  EXPECT_EQ(sink.bytes, 20U);
}

TEST_F(HttpCurlClient, SendsAgainOnAConnectionThatTheServerClosedMeanwhile) {
  for (int i = 0; i < 5; ++i) {
    server.add_fault({.raw = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"});
    EXPECT_EQ(perform(get("/v2/")).body, "ok");
    HttpRequest put = get("/v2/x");
    put.method = "PUT";
    put.body = make_body("a/b", std::string(50'000, 'x'));
    EXPECT_EQ(perform(put).status, 404);
  }
  for (const auto& request : server.requests("PUT")) EXPECT_EQ(request.body_bytes, 50'000);
  EXPECT_EQ(server.count("PUT", "*"), 5U);
}

TEST_F(HttpCurlClient, LeavesItToTheCallerToSendALargeBodyAgain) {
  EXPECT_EQ(perform(get("/v2/")).status, 200);
  server.add_fault({.method = "PUT", .drop_connection = true});
  HttpRequest put = get("/v2/x");
  put.method = "PUT";
  put.body = make_body("a/b", std::string(500'000, 'x'));
  EXPECT_EQ(failure(put).code(), ErrorCode::kUnavailable);
  EXPECT_EQ(server.count("PUT", "*"), 1U);
}

TEST_F(HttpCurlClient, RefusesAddressesOutOfReach) {
  HttpRequest request = get("/v2/");
  request.reach = AddressClass::kPrivate;
  EXPECT_EQ(failure(request).code(), ErrorCode::kPermissionDenied);
  HttpRequest name = request;
  name.url = "http://localhost:" + std::to_string(server.port()) + "/v2/";
  EXPECT_EQ(failure(name).code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(server.connections(), 0);
  request.reach = AddressClass::kLoopback;
  EXPECT_EQ(perform(request).status, 200);
  // A connection that is open already is checked as well.
  request.reach = AddressClass::kPublic;
  EXPECT_EQ(failure(request).code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(HttpCurlClient, ServesManyThreads) {
  std::vector<std::jthread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 20; ++j) good += perform(get("/v2/")).status == 200 ? 1 : 0;
    });
  }
  threads.clear();
  EXPECT_EQ(good, 240);
}

}  // namespace
}  // namespace lighterd::distribution
