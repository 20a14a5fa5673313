// SPDX-License-Identifier: Apache-2.0
#include "distribution/hosts_toml.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace lighterd::distribution {
namespace {

using namespace std::chrono_literals;

const std::filesystem::path kFile = "/certs.d/reg.example/hosts.toml";

HostsFile parse(std::string_view text) {
  return parse_hosts_toml(text, kFile);
}

TEST(HostsTomlTest, ReadsEveryKey) {
  const HostsFile file = parse(R"(server = "https://upstream.example"
capabilities = ["pull"]
skip_verify = false

[host."https://m.example:5000/cache"]
  capabilities = ["Pull", "resolve", "referrers"]
  ca = "ca.pem"
  client = [["a.cert", "/keys/a.key"]]
  skip_verify = true
  dial_timeout = "1m30.5s"
  [host."https://m.example:5000/cache".header]
    X-One = "1"
    X-Many = ["a", " b "]
    authorization = "Basic eA=="

[host."http://plain.example/v2/"]
  ca = ["one.crt", "/two.crt"]
  client = "whole.pem"
)");
  EXPECT_EQ(file.server.base->to_string(), "https://upstream.example/v2/");
  EXPECT_EQ(file.server.capabilities, Capabilities::none().with(Capability::kPull));
  EXPECT_EQ(file.server.skip_verify, false);
  ASSERT_EQ(file.hosts.size(), 2U);
  const HostEntry& first = file.hosts[0];
  EXPECT_EQ(first.base->to_string(), "https://m.example:5000/cache/v2/");
  EXPECT_TRUE(first.capabilities.has(Capability::kPull) && first.capabilities.has(Capability::kReferrers));
  EXPECT_FALSE(first.capabilities.has(Capability::kPush));
  EXPECT_EQ(first.ca_files, std::vector<std::filesystem::path>{"/certs.d/reg.example/ca.pem"});
  EXPECT_EQ(first.client, (ClientFiles{"/certs.d/reg.example/a.cert", "/keys/a.key"}));
  EXPECT_EQ(first.skip_verify, true);
  EXPECT_EQ(first.dial_timeout, 90'500ms);
  EXPECT_EQ(first.headers, (HeaderList{{"X-Many", "a"}, {"X-Many", "b"}, {"X-One", "1"}}));
  EXPECT_EQ(first.authorization.reveal(), "Basic eA==");
  const HostEntry& second = file.hosts[1];
  EXPECT_EQ(second.base->to_string(), "http://plain.example/v2/");
  EXPECT_EQ(second.capabilities, Capabilities::all());
  EXPECT_EQ(second.ca_files, (std::vector<std::filesystem::path>{"/certs.d/reg.example/one.crt", "/two.crt"}));
  EXPECT_EQ(second.client, (ClientFiles{"/certs.d/reg.example/whole.pem", {}}));
  EXPECT_FALSE(second.skip_verify);
  EXPECT_FALSE(second.dial_timeout);
}

TEST(HostsTomlTest, KeepsTheOrderOfTheFile) {
  const HostsFile file = parse(R"([host."https://z.example".header]
A = "1"
[host."https://b.example"]
[host."https://a.example"]
[host]
"c.example" = {override_path = true}
)");
  std::vector<std::string> urls;
  for (const HostEntry& host : file.hosts) urls.push_back(host.base->to_string());
  EXPECT_EQ(urls, (std::vector<std::string>{"https://z.example/v2/", "https://b.example/v2/", "https://a.example/v2/",
                                            "https://c.example/"}));
}

TEST(HostsTomlTest, NothingIsSaidByAnEmptyFile) {
  const HostsFile file = parse("# nothing\n");
  EXPECT_TRUE(file.hosts.empty());
  EXPECT_FALSE(file.server.base);
  EXPECT_EQ(file.server.capabilities, Capabilities::all());
}

struct PathCase {
  const char* name;
  const char* text;
  const char* base;
};
class HostsTomlPath : public testing::TestWithParam<PathCase> {};
TEST_P(HostsTomlPath, IsTheBaseOfRequests) {
  EXPECT_EQ(parse(GetParam().text).server.base->to_string(), GetParam().base);
}
INSTANTIATE_TEST_SUITE_P(
    Table, HostsTomlPath,
    testing::Values(PathCase{"plain", "server = 'https://a.example'", "https://a.example/v2/"},
                    PathCase{"no_scheme", "server = 'a.example:5000'", "https://a.example:5000/v2/"},
                    PathCase{"slashes", "server = 'https://a.example///'", "https://a.example/v2/"},
                    PathCase{"v2", "server = 'https://a.example/x/v2'", "https://a.example/x/v2/"},
                    PathCase{"overridden", "server = 'https://a.example/x'\noverride_path = true",
                             "https://a.example/x/"},
                    PathCase{"ipv6", "server = 'http://[::1]:5000'", "http://[::1]:5000/v2/"}),
    [](const auto& each) { return std::string(each.param.name); });

struct BadCase {
  const char* name;
  const char* text;
  const char* where;  // line:column
  const char* why;
};
class HostsTomlBad : public testing::TestWithParam<BadCase> {};
TEST_P(HostsTomlBad, IsAnErrorWithItsPlace) {
  try {
    parse(GetParam().text);
    FAIL() << "no error";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
    const std::string start = kFile.string() + ":" + GetParam().where + ": ";
    EXPECT_EQ(error.text().substr(0, start.size()), start) << error.text();
    EXPECT_NE(error.text().find(GetParam().why), std::string::npos) << error.text();
  }
}
INSTANTIATE_TEST_SUITE_P(
    Table, HostsTomlBad,
    testing::Values(
        BadCase{"syntax", "server = \"https://a.example\"\n[host.\n", "2:7", ""},
        BadCase{"unknown_key", "\n  serverr = 'a'\n", "2:3", "unknown key \"serverr\""},
        BadCase{"unknown_host_key", "[host.'https://a.example']\ncapabilitis = []\n", "2:1", "\"capabilitis\""},
        BadCase{"unknown_capability", "[host.'https://a.example']\ncapabilities = ['pull', 'fly']\n", "2:25",
                "unknown capability \"fly\""},
        BadCase{"capabilities_type", "capabilities = 'pull'\n", "1:16", "list of strings"},
        BadCase{"capability_type", "capabilities = ['pull', 1]\n", "1:25", "must be a string"},
        BadCase{"server_type", "server = 1\n", "1:10", "server must be a string"},
        BadCase{"server_url", "server = 'ftp://a.example'\n", "1:10", "only http and https"},
        BadCase{"server_userinfo", "server = 'https://u:p@a.example'\n", "1:10", ""},
        BadCase{"server_query", "server = 'https://a.example/?x=1'\n", "1:10", "no query"},
        BadCase{"host_type", "host = 'a'\n", "1:8", "table of hosts"},
        BadCase{"host_list", "[[host]]\nserver = 'a'\n", "1:1", "table of hosts"},
        BadCase{"host_url", "\n[host.'https://a b']\n", "2:7", ""},
        BadCase{"host_not_a_table", "[host]\n'https://a.example' = 1\n", "2:23", "must be a table"},
        BadCase{"ca_type", "ca = 1\n", "1:6", "ca must be"},
        BadCase{"ca_entry", "ca = ['a', 2]\n", "1:12", "ca must be a string"},
        BadCase{"ca_empty", "ca = ''\n", "1:6", "empty path"},
        BadCase{"client_type", "client = 1\n", "1:10", "client must be a string"},
        BadCase{"client_triple", "client = [['a', 'b', 'c']]\n", "1:11", "[certificate, key] pair"},
        BadCase{"client_second", "client = [['a', 'b'], ['c', 'd']]\n", "1:23", "more than one client certificate"},
        BadCase{"client_second_file", "client = ['a', 'c']\n", "1:16", "more than one client certificate"},
        BadCase{"client_entry", "client = [7]\n", "1:11", "[certificate, key] pair"},
        BadCase{"skip_verify_type", "skip_verify = 'yes'\n", "1:15", "true or false"},
        BadCase{"override_path_type", "override_path = 1\n", "1:17", "true or false"},
        BadCase{"header_type", "header = 'a'\n", "1:10", "must be a table"},
        BadCase{"header_value", "[header]\nX-A = 1\n", "2:7", "string or a list"},
        BadCase{"header_entry", "[header]\nX-A = ['a', 1]\n", "2:13", "must be a string"},
        BadCase{"header_name", "[header]\n'X A' = 'a'\n", "2:1", "no name of a header"},
        BadCase{"header_break", "[header]\nX-A = \"a\\r\\nB: c\"\n", "2:7", "control character"},
        BadCase{"header_of_ours", "[header]\nContent-Length = '1'\n", "2:1", "cannot be set"},
        BadCase{"two_authorizations", "[header]\nAuthorization = ['a', 'b']\n", "2:23", "more than one"},
        BadCase{"dial_type", "dial_timeout = 30\n", "1:16", "must be a string"},
        BadCase{"dial_unit", "dial_timeout = '30'\n", "1:16", "no duration"},
        BadCase{"dial_word", "dial_timeout = '3 s'\n", "1:16", "no duration"},
        BadCase{"dial_dot", "dial_timeout = '.s'\n", "1:16", "no duration"},
        BadCase{"dial_negative", "dial_timeout = '-1s'\n", "1:16", "no duration"},
        BadCase{"dial_zero", "dial_timeout = '0s'\n", "1:16", "between"},
        BadCase{"dial_long", "dial_timeout = '2h'\n", "1:16", "between"},
        BadCase{"dial_huge", "dial_timeout = '99999999999999999999999999999999999999999999h'\n", "1:16", "between"},
        BadCase{"twice", "server = 'a'\nserver = 'b'\n", "2:10", ""}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(HostsTomlTest, DeepNestingIsRefused) {
  const std::string text = "ca = " + std::string(100'000, '[');
  EXPECT_THROW(parse(text), base::Error);
}

}  // namespace
}  // namespace lighterd::distribution
