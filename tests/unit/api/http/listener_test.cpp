// SPDX-License-Identifier: Apache-2.0
#include "api/http/listener.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/error.hpp"
#include "http_test_support.hpp"

namespace lighterd::api {
namespace {

using base::ErrorCode;

template <typename F>
std::string code_of(F call) {
  try {
    call();
    return "none";
  } catch (const base::Error& error) {
    return std::string(to_string(error.code()));
  }
}

std::string name_of(ErrorCode code) {
  return std::string(to_string(code));
}

class ListenerTest : public testing::Test {
 protected:
  std::filesystem::path path() const { return directory_.path() / "a.sock"; }
  Listener listen() const { return Listener::unix_socket(path(), std::nullopt); }

  struct stat status() const {
    struct stat result {};
    EXPECT_EQ(::lstat(path().c_str(), &result), 0);
    return result;
  }

  base::UniqueFd bind_socket(int type) const {
    base::UniqueFd fd(::socket(AF_UNIX, type, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
  }

  // As a server that was killed leaves it.
  void leave_stale_socket() const { bind_socket(SOCK_STREAM); }

  TempDirectory directory_;
};

TEST_F(ListenerTest, HasItsModeWhateverTheUmask) {
  for (const mode_t mask : {0000u, 0777u}) {
    const mode_t before = ::umask(mask);
    Listener listener = listen();
    ::umask(before);
    EXPECT_EQ(status().st_mode & 07777, 0660u);
    EXPECT_TRUE(S_ISSOCK(status().st_mode));
  }
}

TEST_F(ListenerTest, HasItsModeBeforeAnybodyCanConnect) {
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::jthread observer([&] {
    while (!done) {
      const base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
      if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) continue;
      struct stat now {};
      if (::lstat(path().c_str(), &now) == 0 && (now.st_mode & 07777) != 0660) ++wrong;
    }
  });
  for (int i = 0; i < 300; ++i) Listener listener = listen();
  done = true;
  observer.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(ListenerTest, RemovesItsFilesAtTheEnd) {
  {
    Listener listener = listen();
    EXPECT_EQ(listener.description(), "unix://" + path().string());
    Listener moved = std::move(listener);
    EXPECT_TRUE(moved.is_unix());
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(ListenerTest, ReplacesAStaleSocket) {
  leave_stale_socket();
  Listener listener = listen();
  Client::to_unix(path());
}

TEST_F(ListenerTest, DoesNotStealALiveSocket) {
  Listener first = listen();
  const auto inode = status().st_ino;
  EXPECT_EQ(code_of([&] { listen(); }), name_of(ErrorCode::kAlreadyExists));
  EXPECT_EQ(status().st_ino, inode);
  Client::to_unix(path());
}

TEST_F(ListenerTest, DoesNotStealALiveSocketOfAServerWithoutLock) {
  const base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  EXPECT_EQ(code_of([&] { listen(); }), name_of(ErrorCode::kAlreadyExists));
  Client::to_unix(path());
}

TEST_F(ListenerTest, DoesNotRemoveASocketOfWhichItCannotTell) {
  const base::UniqueFd fd = bind_socket(SOCK_DGRAM);
  EXPECT_EQ(code_of([&] { listen(); }), name_of(ErrorCode::kAlreadyExists));
  EXPECT_TRUE(std::filesystem::is_socket(path()));
}

TEST_F(ListenerTest, OneOfManyThatStartAtOnceWins) {
  leave_stale_socket();
  std::atomic<int> winners{0};
  std::atomic<int> finished{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      try {
        Listener listener = listen();
        ++winners;
        ++finished;
        eventually([&] { return finished == 8; });
      } catch (const base::Error&) {
        ++finished;
      }
    });
  threads.clear();
  EXPECT_EQ(winners, 1);
}

TEST_F(ListenerTest, NeverRemovesAnotherServersSocket) {
  {
    Listener listener = listen();
    std::filesystem::remove(path());
    leave_stale_socket();
  }
  EXPECT_TRUE(std::filesystem::is_socket(path()));
}

TEST_F(ListenerTest, RefusesAPathThatIsNoSocket) {
  std::ofstream(path()) << "precious";
  EXPECT_EQ(code_of([&] { listen(); }), name_of(ErrorCode::kAlreadyExists));
  EXPECT_EQ(std::filesystem::file_size(path()), 8u);
}

TEST_F(ListenerTest, RefusesASymbolicLink) {
  std::filesystem::create_symlink("/nowhere", path());
  EXPECT_EQ(code_of([&] { listen(); }), name_of(ErrorCode::kAlreadyExists));
}

TEST_F(ListenerTest, RefusesUnknownGroupsAndBadPaths) {
  EXPECT_EQ(code_of([&] { Listener::unix_socket(path(), "no such group"); }), name_of(ErrorCode::kInvalidArgument));
  EXPECT_FALSE(std::filesystem::exists(path()));
  EXPECT_EQ(code_of([&] { Listener::unix_socket(directory_.path() / std::string(120, 'a'), std::nullopt); }),
            name_of(ErrorCode::kInvalidArgument));
  EXPECT_EQ(code_of([&] { Listener::unix_socket(directory_.path() / "none" / "a.sock", std::nullopt); }),
            name_of(ErrorCode::kNotFound));
}

TEST_F(ListenerTest, TakesAGroup) {
  Listener listener = Listener::unix_socket(path(), std::to_string(::getgid()));
  EXPECT_EQ(status().st_gid, ::getgid());
}

TEST(TcpListenerTest, TakesLoopbackAddressesOnly) {
  EXPECT_TRUE(Listener::loopback_tcp("localhost", 0).description().starts_with("tcp://127.0.0.1:"));
  EXPECT_GT(Listener::loopback_tcp("127.0.0.5", 0).port(), 0);
  for (const char* host : {"0.0.0.0", "::", "192.168.0.1", "128.0.0.1", "example.com", "", "localhost.evil.com", "*"})
    EXPECT_EQ(code_of([&] { Listener::loopback_tcp(host, 0); }), name_of(ErrorCode::kPermissionDenied)) << host;
  for (const int port : {-1, 65536})
    EXPECT_EQ(code_of([&] { Listener::loopback_tcp("127.0.0.1", port); }), name_of(ErrorCode::kInvalidArgument));
}

TEST(TcpListenerTest, TakesAnyAddressWithTlsOrWhenToldSo) {
  const TempDirectory directory;
  const TcpOptions encrypted{.tls = std::make_shared<TlsContext>(make_certificate(directory.path()))};
  const TcpOptions open{.plaintext = PlaintextReach::kAnywhere};
  for (const char* host : {"0.0.0.0", "", "*"}) {
    EXPECT_FALSE(Listener::tcp(host, 0, open).is_loopback()) << host;
    EXPECT_TRUE(Listener::tcp(host, 0, open).description().starts_with("tcp://")) << host;
    EXPECT_TRUE(Listener::tcp(host, 0, encrypted).description().starts_with("https://")) << host;
    EXPECT_EQ(code_of([&] { Listener::tcp(host, 0, {}); }), name_of(ErrorCode::kPermissionDenied)) << host;
  }
  EXPECT_TRUE(Listener::tcp("localhost", 0, open).is_loopback());
  EXPECT_TRUE(Listener::tcp("127.0.0.1", 0, encrypted).description().starts_with("https://127.0.0.1:"));
  for (const char* host : {"example.com", "1.2.3", "[::1]", "127.0.0.1:80"})
    EXPECT_EQ(code_of([&] { Listener::tcp(host, 0, open); }), name_of(ErrorCode::kInvalidArgument)) << host;
}

TEST(TcpListenerTest, AllAddressesAreThoseOfIPv4Too) {
  const Listener listener = Listener::tcp("", 0, {.plaintext = PlaintextReach::kAnywhere});
  const Client client = Client::to_port(listener.port());
  const base::UniqueFd accepted(::accept(listener.fd(), nullptr, nullptr));
  EXPECT_TRUE(accepted);
}

TEST(TcpListenerTest, ReportsAPortInUse) {
  Listener first = Listener::loopback_tcp("127.0.0.1", 0);
  EXPECT_EQ(code_of([&] { Listener::loopback_tcp("127.0.0.1", first.port()); }), name_of(ErrorCode::kAlreadyExists));
}

}  // namespace
}  // namespace lighterd::api
