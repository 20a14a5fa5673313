// SPDX-License-Identifier: Apache-2.0
#include "cli/host.hpp"

#include <gtest/gtest.h>

#include "cli/exit_code.hpp"

namespace lighterd::cli {
namespace {

TEST(HostTest, ASocketHasItsPath) {
  const Host host = parse_host("unix:///run/lighterd.sock");
  EXPECT_EQ(host.socket, "/run/lighterd.sock");
  EXPECT_EQ(host.authority, "localhost");
  EXPECT_EQ(host.text, "unix:///run/lighterd.sock");
}

TEST(HostTest, TcpHasAPort) {
  EXPECT_EQ(parse_host("tcp://127.0.0.1:4000").authority, "127.0.0.1:4000");
  EXPECT_EQ(parse_host("tcp://127.0.0.1:4000").socket, "");
  EXPECT_EQ(parse_host("tcp://build-host").authority, "build-host:2375");
  EXPECT_EQ(parse_host("tcp://localhost:1/").authority, "localhost:1");
  EXPECT_EQ(parse_host("tcp://[::1]:4000").authority, "[::1]:4000");
  EXPECT_EQ(parse_host("tcp://[::1]").authority, "[::1]:2375");
}

class RefusedHostTest : public testing::TestWithParam<std::string> {};

TEST_P(RefusedHostTest, IsWrongUsage) {
  try {
    parse_host(GetParam());
    ADD_FAILURE() << "taken";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.exit_code(), ExitCode::kUsage);
  }
}

INSTANTIATE_TEST_SUITE_P(, RefusedHostTest,
                         testing::Values("", "/run/lighterd.sock", "unix://", "unix:///", "unix://run/x",
                                         "unix:///" + std::string(107, 'x'), "tcp://", "tcp://:1", "tcp://a:0",
                                         "tcp://a:65536", "tcp://a:b", "tcp://a@b:1", "tcp://a/b:1", "tcp://[]:1",
                                         "tcp://[::1:1", "ssh://a", "http://a:1", "fd://"));

}  // namespace
}  // namespace lighterd::cli
