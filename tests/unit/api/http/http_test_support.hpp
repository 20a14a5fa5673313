// SPDX-License-Identifier: Apache-2.0
// A running server with a few routes and raw clients that see every byte.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "api/http/server.hpp"
#include "api/http/tls_context.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

struct ssl_st;

namespace lighterd::api {

using std::chrono::milliseconds;

class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Waits for something that another thread brings about; false after ten seconds.
bool eventually(const std::function<bool()>& condition);

// Set by one thread, waited for and taken back by another.
class Signal {
 public:
  void set();
  bool wait(milliseconds timeout = milliseconds(10'000));

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

struct Answer {
  int status = 0;                              // 0: the connection ended before a whole head
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool complete = false;  // the body ended as the head promised
};

// A certificate of its own signing for "localhost" and its key, in files of the directory.
TlsFiles make_certificate(const std::filesystem::path& directory);

// Every read gives up after ten seconds.
class Client {
 public:
  static Client to_unix(const std::filesystem::path& path);
  static Client to_port(int port);
  // With the handshake done, unless it failed: nothing can be sent then. No certificate is checked.
  static Client to_tls_port(int port, const std::string& protocol = "http/1.1");

  // Fails when the server has closed.
  bool send(std::string_view text);
  void shut_down_writing();
  bool has_tls() const { return tls_ != nullptr; }
  // Whether the server said, by TLS, that there is no more.
  bool was_ended() const { return was_ended_; }
  void close() { fd_.reset(); }
  int fd() const { return fd_.get(); }

  // Whether the server has read all that was sent (Unix sockets only).
  bool everything_was_read() const;

  Answer read_answer(bool to_head = false);
  // At least one byte more, or empty at the end of the stream.
  std::string read_some();
  std::string read_all();
  bool read_until(std::string_view text, std::string& out);

 private:
  explicit Client(base::UniqueFd fd) : fd_(std::move(fd)) {}
  long receive(char* block, std::size_t size);
  bool fill();
  void read_body(Answer& answer);
  bool read_chunk(Answer& answer);
  bool take_line(std::string& line);

  base::UniqueFd fd_;
  std::shared_ptr<ssl_st> tls_;
  bool was_ended_ = false;
  std::string buffer_;
};

class ServerTest : public testing::Test {
 protected:
  void TearDown() override { server_.reset(); }

  void route(std::string method, std::string pattern, Handler handler, Execution execution = Execution::kWorker);
  // After the routes; options_ count.
  void start();
  Client connect() const { return Client::to_unix(socket_path()); }
  Client connect_tcp() const { return Client::to_port(port_); }
  Client connect_tls() const { return Client::to_tls_port(tls_port_); }
  // One request on its own connection.
  Answer ask(std::string_view request) const;
  std::filesystem::path socket_path() const { return directory_.path() / "http.sock"; }

  TempDirectory directory_;
  ServerOptions options_;
  Router router_;
  base::Logger logger_{base::LogLevel::kError};
  std::shared_ptr<const TlsContext> tls_;  // set before start(): there is a TLS port then
  std::unique_ptr<Server> server_;
  int port_ = 0;
  int tls_port_ = 0;
};

}  // namespace lighterd::api
