// SPDX-License-Identifier: Apache-2.0
#include "cli/host.hpp"

#include <gtest/gtest.h>

#include "cli/exit_code.hpp"

namespace lighterd::cli {
namespace {

constexpr const char* kDefault = "unix:///run/default.sock";

TEST(HostTest, ASocketHasItsPath) {
  const Host host = parse_host("unix:///run/lighterd.sock", kDefault);
  EXPECT_EQ(host.socket, "/run/lighterd.sock");
  EXPECT_EQ(host.authority, "localhost");
  EXPECT_EQ(host.text, "unix:///run/lighterd.sock");
}

TEST(HostTest, TcpHasAPort) {
  EXPECT_EQ(parse_host("tcp://127.0.0.1:4000", kDefault).authority, "127.0.0.1:4000");
  EXPECT_EQ(parse_host("tcp://127.0.0.1:4000", kDefault).socket, "");
  EXPECT_EQ(parse_host("tcp://build-host", kDefault).authority, "build-host:2375");
  EXPECT_EQ(parse_host("tcp://localhost:1/", kDefault).authority, "localhost:1");
  EXPECT_EQ(parse_host("tcp://[::1]:4000", kDefault).authority, "[::1]:4000");
  EXPECT_EQ(parse_host("tcp://[::1]", kDefault).authority, "[::1]:2375");
}

TEST(HostTest, MayBeShort) {
  EXPECT_EQ(parse_host("build-host:4000", kDefault).authority, "build-host:4000");
  EXPECT_EQ(parse_host(":4000", kDefault).authority, "localhost:4000");
  EXPECT_EQ(parse_host("tcp://:4000", kDefault).authority, "localhost:4000");
  EXPECT_EQ(parse_host("[::1]:4000", kDefault).authority, "[::1]:4000");
  EXPECT_EQ(parse_host("unix://", kDefault).socket, "/run/default.sock");
  EXPECT_EQ(parse_host("unix://", kDefault).text, kDefault);
}

class RefusedHostTest : public testing::TestWithParam<std::string> {};

TEST_P(RefusedHostTest, IsWrongUsage) {
  try {
    parse_host(GetParam(), kDefault);
    ADD_FAILURE() << "taken";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.exit_code(), ExitCode::kUsage);
  }
}

INSTANTIATE_TEST_SUITE_P(, RefusedHostTest,
                         testing::Values("", "/run/lighterd.sock", "unix:///", "unix://run/x",
                                         "unix:///" + std::string(107, 'x'), "tcp://", "tcp://a:0", "tcp://a:65536",
                                         "tcp://a:b", "tcp://a@b:1", "tcp://a/b:1", "tcp://[]:1", "tcp://[::1:1",
                                         "ssh://a", "http://a:1", "fd://", "host", "/a:1", "a:b", "a:", ":", "x:/y"));

}  // namespace
}  // namespace lighterd::cli
