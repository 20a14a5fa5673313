// SPDX-License-Identifier: Apache-2.0
// The server over real TLS connections: what holds without TLS holds with it.
#include <fcntl.h>

#include <fstream>
#include <random>

#include "base/error.hpp"
#include "http_test_support.hpp"

namespace lighterd::api {
namespace {

using base::ErrorCode;

std::string get(const std::string& path, const std::string& fields = {}) {
  return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n";
}

std::string post(const std::string& body) {
  return "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string random_text(std::size_t bytes) {
  std::string text;
  std::mt19937_64 generator(7);
  while (text.size() < bytes) text += std::to_string(generator());
  return text;
}

class TlsTest : public ServerTest {
 protected:
  void SetUp() override {
    tls_ = std::make_shared<TlsContext>(make_certificate(directory_.path()));
    route("POST", "/echo", [](Request& request, Response& response) {
      response.send(200, "text/plain", base::read_all(*request.body, 64 * 1024 * 1024, "body"));
    });
    // Reads by small pieces: most of a record stays inside TLS meanwhile.
    route("POST", "/sip", [](Request& request, Response& response) {
      std::byte piece[7];
      std::size_t total = 0;
      while (const std::size_t count = request.body->read(piece)) total += count;
      response.send(200, "text/plain", std::to_string(total));
    });
    route("GET", "/scheme", [](Request& request, Response& response) {
      response.send(200, "text/plain", request.is_encrypted ? "https" : "http");
    });
    route("GET", "/cut", [](Request&, Response& response) {
      response.start_stream(200, "text/plain")->write(base::as_bytes("half"));
    });
    route("GET", "/stream", [](Request&, Response& response) {
      const auto stream = response.start_stream(200, "text/plain");
      for (int i = 0; i < 1000; ++i) stream->write(base::as_bytes("line " + std::to_string(i) + "\n"));
      stream->finish();
    });
    route("GET", "/file", [this](Request&, Response& response) {
      response.send_file(200, "text/plain", base::open_file(file_, O_RDONLY), 3, content_.size() - 3);
    });
    content_ = random_text(3'000'000);
    std::ofstream(file_) << content_;
    start();
  }

  const std::filesystem::path file_ = directory_.path() / "file";
  std::string content_;
};

TEST_F(TlsTest, AnswersInlineAndFromWorkersOnOneConnection) {
  Client client = connect_tls();
  for (int i = 0; i < 3; ++i) {
    client.send(get("/_ping"));
    EXPECT_EQ(client.read_answer().body, "OK");
    client.send(get("/scheme"));
    EXPECT_EQ(client.read_answer().body, "https");
    client.send(post("abc"));
    EXPECT_EQ(client.read_answer().body, "abc");
  }
}

TEST_F(TlsTest, TakesAndGivesLargeBodies) {
  Client client = connect_tls();
  const std::string body = random_text(3'000'000);
  std::thread sender([&] { client.send(post(body)); });
  sender.join();
  EXPECT_EQ(client.read_answer().body, body);
  client.send(get("/stream"));
  const Answer stream = client.read_answer();
  EXPECT_TRUE(stream.complete);
  EXPECT_TRUE(stream.body.ends_with("line 999\n"));
}

TEST_F(TlsTest, SendsFiles) {
  Client client = connect_tls();
  for (int i = 0; i < 2; ++i) {
    client.send(get("/file"));
    EXPECT_EQ(client.read_answer().body, content_.substr(3));
  }
}

// Both arrive in one record: the second has left the socket when the worker hands the connection back.
TEST_F(TlsTest, DoesNotForgetWhatTlsHasReadAlready) {
  Client client = connect_tls();
  for (int i = 0; i < 20; ++i) {
    std::string both = "POST /sip HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12345";
    both += get("/_ping") + post("next");
    client.send(both);
    EXPECT_EQ(client.read_answer().body, "5");
    EXPECT_EQ(client.read_answer().body, "OK");
    EXPECT_EQ(client.read_answer().body, "next");
  }
  // The head and the body in records of their own: the worker takes a little of a large record after the other.
  const std::string tail = random_text(50'000);
  client.send("POST /sip HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(tail.size()) + "\r\n\r\n");
  client.send(tail + get("/_ping"));
  EXPECT_EQ(client.read_answer().body, std::to_string(tail.size()));
  EXPECT_EQ(client.read_answer().body, "OK");
}

TEST_F(TlsTest, SaysThatAnAnswerIsWhole) {
  Client closed = connect_tls();
  closed.send(get("/scheme", "Connection: close\r\n"));
  EXPECT_EQ(closed.read_answer().body, "https");
  EXPECT_EQ(closed.read_all(), "");
  EXPECT_TRUE(closed.was_ended());
  Client cut = connect_tls();
  cut.send(get("/cut"));
  EXPECT_FALSE(cut.read_answer().complete);
  EXPECT_FALSE(cut.was_ended());
}

TEST_F(TlsTest, AnUnreadBodyDoesNotCostTheAnswer) {
  Client client = connect_tls();
  client.send("POST /_ping HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n" + random_text(300'000));
  EXPECT_EQ(client.read_answer().body, "OK");
  EXPECT_EQ(client.read_all(), "");
  EXPECT_TRUE(client.was_ended());
}

TEST_F(TlsTest, SpeaksHttp11Only) {
  EXPECT_TRUE(Client::to_tls_port(tls_port_, "http/1.1").has_tls());
  EXPECT_FALSE(Client::to_tls_port(tls_port_, "h2").has_tls());
}

TEST_F(TlsTest, TellsThoseWhoSpeakPlainHttp) {
  Client client = Client::to_port(tls_port_);
  client.send(get("/_ping"));
  EXPECT_EQ(client.read_answer().status, 400);
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(TlsTest, ClosesOnGarbage) {
  Client client = Client::to_port(tls_port_);
  client.send(std::string(100, '\x16'));
  client.read_all();
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 0; }));
}

// Clients of registries go on over HTTP when they are answered in HTTP (registry-protocol.md D.1).
TEST_F(TlsTest, APlainPortAnswersAClientHelloInHttp) {
  Client client = Client::to_port(port_);
  EXPECT_FALSE(Client::to_tls_port(port_).has_tls());
  client.send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + std::string(506, 'r'));
  const std::string answer = client.read_all();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
}

TEST_F(TlsTest, ChecksOriginByScheme) {
  const auto status = [&](const std::string& fields) {
    Client client = connect_tls();
    client.send(get("/_ping", fields));
    return client.read_answer().status;
  };
  EXPECT_EQ(status("Origin: https://localhost\r\n"), 200);
  EXPECT_EQ(status("Origin: http://localhost\r\n"), 403);
}

TEST_F(TlsTest, EndsWhatIsIdleAndWhatIsServedAtStop) {
  Client idle = connect_tls();
  Client silent = Client::to_port(tls_port_);
  idle.send(get("/_ping"));
  idle.read_answer();
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 2; }));
  server_->stop(milliseconds(5'000));
  EXPECT_EQ(idle.read_all(), "");
  EXPECT_TRUE(idle.was_ended());
  EXPECT_EQ(silent.read_all(), "");
}

// More than all buffers on the way hold, so that it cannot be sent without being read.
class SlowReaderTest : public ServerTest {
 protected:
  void SetUp() override {
    tls_ = std::make_shared<TlsContext>(make_certificate(directory_.path()));
    for (int i = 0; i < 40; ++i)
      content_ += std::to_string(i) + std::string(1'000'000, static_cast<char>('a' + i % 26));
    std::ofstream(file_) << content_;
    route("GET", "/file", [this](Request&, Response& response) {
      response.send_file(200, "text/plain", base::open_file(file_, O_RDONLY), 0, content_.size());
    });
    route("GET", "/work", [](Request&, Response& response) { response.send(200, "text/plain", "done"); });
  }

  // One that reads nothing, and others that want the only worker; then it reads, and gets what it would have got.
  void expect_no_worker_held(const std::function<Client()>& connect_one) {
    options_.max_workers = 1;
    start();
    std::vector<Client> slow;
    for (int i = 0; i < 3; ++i) {
      slow.push_back(connect_one());
      slow.back().send(get("/file") + get("/work"));
    }
    Client other = connect_one();
    for (int i = 0; i < 3; ++i) {
      other.send(get("/work"));
      EXPECT_EQ(other.read_answer().body, "done");
    }
    slow.pop_back();
    for (Client& client : slow) {
      const Answer answer = client.read_answer();
      EXPECT_TRUE(answer.complete && answer.body == content_);
      EXPECT_EQ(client.read_answer().body, "done");
    }
  }

  const std::filesystem::path file_ = directory_.path() / "file";
  std::string content_;
};

TEST_F(SlowReaderTest, HoldsNoWorkerOverTls) {
  expect_no_worker_held([this] { return connect_tls(); });
}

TEST_F(SlowReaderTest, HoldsNoWorkerOverTcp) {
  expect_no_worker_held([this] { return connect_tcp(); });
}

TEST_F(SlowReaderTest, HoldsNoWorkerOverUnix) {
  expect_no_worker_held([this] { return connect(); });
}

TEST_F(SlowReaderTest, IsCutWhenItTakesNothingForTooLong) {
  options_.write_stall_timeout = milliseconds(1);
  start();
  Client client = connect_tcp();
  client.send(get("/file"));
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 1; }));
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 0; }));
  EXPECT_FALSE(client.read_answer().complete);
}

TEST_F(SlowReaderTest, DoesNotHoldUpTheEnd) {
  start();
  Client client = connect_tcp();
  client.send(get("/file"));
  std::string head;
  ASSERT_TRUE(client.read_until("\r\n\r\n", head));
  server_->stop(milliseconds(0));
  EXPECT_EQ(server_->connection_count(), 0u);
}

class HandshakeTest : public ServerTest {};

TEST_F(HandshakeTest, IsGivenUpAfterItsTime) {
  tls_ = std::make_shared<TlsContext>(make_certificate(directory_.path()));
  options_.handshake_timeout = milliseconds(1);
  start();
  Client silent = Client::to_port(tls_port_);
  EXPECT_EQ(silent.read_all(), "");
  Client half = Client::to_port(tls_port_);
  half.send("\x16\x03\x01\x02");
  EXPECT_EQ(half.read_all(), "");
}

class TlsFilesTest : public testing::Test {
 protected:
  std::string failure(const TlsFiles& files) const {
    try {
      const TlsContext context(files);
      return "none";
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.text();
    }
  }

  TempDirectory directory_;
};

TEST_F(TlsFilesTest, AreNamedWhenTheyAreOfNoUse) {
  const TlsFiles files = make_certificate(directory_.path());
  EXPECT_EQ(failure(files), "none");
  EXPECT_NE(failure({"/none.crt", files.key}).find("/none.crt"), std::string::npos);
  EXPECT_NE(failure({files.certificate, "/none.key"}).find("/none.key"), std::string::npos);
  EXPECT_NE(failure({files.certificate, files.certificate}).find("server.crt"), std::string::npos);
  TempDirectory other;
  const TlsFiles foreign = make_certificate(other.path());
  EXPECT_NE(failure({files.certificate, foreign.key}).find(foreign.key.string()), std::string::npos);
}

}  // namespace
}  // namespace lighterd::api
