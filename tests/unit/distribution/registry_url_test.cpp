// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>

#include "base/error.hpp"
#include "distribution/network_address.hpp"
#include "distribution/proxy_environment.hpp"
#include "distribution/registry_endpoint.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {
namespace {

TEST(ParseUrl, KeepsPathAndQueryByteForByte) {
  for (const char* text : {"https://h/v2/", "http://h:5000/a%2fb?x=1&y=%20&&z", "https://[::1]:5000/", "https://h/?",
                           "https://h:443/a/../b"}) {
    EXPECT_EQ(parse_url(text).to_string(), text);
  }
  EXPECT_EQ(parse_url("HTTPS://Host.EXAMPLE").to_string(), "https://host.example/");
  EXPECT_EQ(parse_url("https://h/a#b?c").to_string(), "https://h/a");
  EXPECT_EQ(parse_url("https://h?q").to_string(), "https://h/?q");
}

class BadUrl : public testing::TestWithParam<std::string> {};
TEST_P(BadUrl, IsRefused) {
  EXPECT_THROW(parse_url(GetParam()), base::Error) << GetParam();
}
INSTANTIATE_TEST_SUITE_P(Table, BadUrl,
                         testing::Values("", "h/v2/", "ftp://h/", "file:///etc/passwd", "gopher://h/", "https://",
                                         "https:///x", "https://u:p@h/", "https://u@h/", "https://h:0/",
                                         "https://h:65536/", "https://h:1x/", "https://[::1/", "https://[h]/",
                                         "https://h]/", "https://h\\x/", "https://h /", "https://h/\r\nX: y",
                                         "https://h/\x01", "https://h%2f/", "https://127.1/", "https://0x7f000001/",
                                         "https://2130706433/", "https://0177.0.0.1/", "https://h/\xc3\xa9",
                                         "https://h/" + std::string(kMaxUrlBytes, 'a')));

struct ResolveCase {
  const char* base;
  const char* location;
  const char* expected;  // null: refused
};
class ResolveUrl : public testing::TestWithParam<ResolveCase> {};
TEST_P(ResolveUrl, FollowsTheRules) {
  const Url base = parse_url(GetParam().base);
  if (GetParam().expected == nullptr) {
    EXPECT_THROW(resolve_url(base, GetParam().location), base::Error);
  } else {
    EXPECT_EQ(resolve_url(base, GetParam().location).to_string(), GetParam().expected);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Table, ResolveUrl,
    testing::Values(ResolveCase{"https://h/v2/a/b?x=1", "/c?_state=%2B%20", "https://h/c?_state=%2B%20"},
                    ResolveCase{"https://h/v2/a/b?x=1", "c", "https://h/v2/a/c"},
                    ResolveCase{"https://h/v2/a/b?x=1", "?y", "https://h/v2/a/b?y"},
                    ResolveCase{"https://h:5000/v2/a", "https://other/x", "https://other/x"},
                    ResolveCase{"https://h:5000/v2/a", "//other/x", "https://other/x"},
                    ResolveCase{"https://h:5000/v2/a", "h:5000/v2/x?y", "https://h:5000/v2/x?y"},
                    ResolveCase{"https://h/v2/a", "http://h/x", "https://h/x"},
                    ResolveCase{"https://h:5000/v2/a", "http://h:5000/x", "https://h:5000/x"},
                    ResolveCase{"https://h:5000/v2/a", "http://h:5001/x", "http://h:5001/x"},
                    ResolveCase{"https://h/v2/a", "http://g/x?u=https://h/", "http://g/x?u=https://h/"},
                    ResolveCase{"https://h/v2/a", "/x?u=https://g/", "https://h/x?u=https://g/"},
                    ResolveCase{"https://h/v2/a", "file:///etc/passwd", nullptr},
                    ResolveCase{"https://h/v2/a", "javascript:x", nullptr}, ResolveCase{"https://h/v2/a", "", nullptr},
                    ResolveCase{"https://h/v2/a", "https://u:p@h/", nullptr}));

TEST(RedactUrl, HidesWhatMayBeSecret) {
  EXPECT_EQ(redact_url("https://u:p@h/x?X-Amz-Signature=s&scope=a:b&token=t&flag#f"),
            "https://h/x?X-Amz-Signature=REDACTED&scope=a:b&token=REDACTED&flag");
  EXPECT_EQ(redact_url("https://h/x?mount=d&from=r&_state=zz&digest=d"),
            "https://h/x?mount=d&from=r&_state=REDACTED&digest=d");
  EXPECT_EQ(redact_url("https://h/x?ns=docker.io&nss=x"), "https://h/x?ns=docker.io&nss=REDACTED");
  EXPECT_EQ(redact_url("https://u:p@h"), "https://h");
  EXPECT_EQ(redact_url("https://h/a@b"), "https://h/a@b");
  EXPECT_EQ(redact_url("\r\n?x=y"), "???x=REDACTED");
}

struct AddressCase {
  const char* text;
  AddressClass expected;
};
class ClassOfAddress : public testing::TestWithParam<AddressCase> {};
TEST_P(ClassOfAddress, IsKnown) {
  EXPECT_EQ(find_ip_address(GetParam().text)->address_class(), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Table, ClassOfAddress,
    testing::Values(AddressCase{"8.8.8.8", AddressClass::kPublic}, AddressCase{"10.0.0.1", AddressClass::kPrivate},
                    AddressCase{"172.31.0.1", AddressClass::kPrivate}, AddressCase{"172.32.0.1", AddressClass::kPublic},
                    AddressCase{"192.168.1.1", AddressClass::kPrivate},
                    AddressCase{"100.64.0.1", AddressClass::kPrivate},
                    AddressCase{"127.9.9.9", AddressClass::kLoopback}, AddressCase{"0.0.0.0", AddressClass::kSpecial},
                    AddressCase{"169.254.169.254", AddressClass::kSpecial},
                    AddressCase{"224.0.0.1", AddressClass::kSpecial}, AddressCase{"::1", AddressClass::kLoopback},
                    AddressCase{"::", AddressClass::kSpecial}, AddressCase{"::ffff:127.0.0.1", AddressClass::kLoopback},
                    AddressCase{"fe80::1", AddressClass::kSpecial}, AddressCase{"fd00::1", AddressClass::kPrivate},
                    AddressCase{"64:ff9b::a9fe:a9fe", AddressClass::kSpecial},
                    AddressCase{"2606:4700::1", AddressClass::kPublic}));

TEST(Cidr, Contains) {
  EXPECT_TRUE(find_cidr("10.1.0.0/12")->contains(*find_ip_address("10.15.255.255")));
  EXPECT_FALSE(find_cidr("10.1.0.0/12")->contains(*find_ip_address("10.16.0.0")));
  EXPECT_TRUE(find_cidr("0.0.0.0/0")->contains(*find_ip_address("1.2.3.4")));
  EXPECT_FALSE(find_cidr("0.0.0.0/0")->contains(*find_ip_address("2001::1")));
  EXPECT_TRUE(find_cidr("fd00::/8")->contains(*find_ip_address("fdff::1")));
  for (const char* bad : {"10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/-1", "10.0.0.0/"})
    EXPECT_FALSE(find_cidr(bad)) << bad;
}

TEST(InsecureRegistries, AreLoopbackAndWhatIsListed) {
  const InsecureRegistries insecure({"http://Reg.example:5000/", "10.0.0.0/8"});
  const auto contains = [&](const std::string& host) { return insecure.contains(parse_url("https://" + host + "/")); };
  for (const char* host : {"localhost:5000", "localhost", "127.0.0.1:1", "127.255.0.9", "[::1]:5000",
                           "reg.example:5000", "10.9.8.7:5000"}) {
    EXPECT_TRUE(contains(host)) << host;
  }
  for (const char* host : {"reg.example", "reg.example:5001", "11.0.0.1", "localhost.invalid", "xlocalhost.invalid"}) {
    EXPECT_FALSE(contains(host)) << host;
  }
}

struct NamedCase {
  const char* name;
  const char* target;
  const char* registry;
  bool allowed;
};
class NamedUrl : public testing::TestWithParam<NamedCase> {};
TEST_P(NamedUrl, IsCheckedAgainstTheRegistry) {
  const auto check = [] { check_named_url(parse_url(GetParam().target), parse_url(GetParam().registry), "realm"); };
  if (GetParam().allowed) {
    EXPECT_NO_THROW(check());
  } else {
    EXPECT_THROW(check(), base::Error);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Table, NamedUrl,
    testing::Values(
        NamedCase{"public_host", "https://auth.docker.io/token", "https://registry-1.docker.io/v2/", true},
        NamedCase{"http_realm", "http://auth.docker.io/token", "https://registry-1.docker.io/v2/", false},
        NamedCase{"http_for_http", "http://auth.example/token", "http://reg.example/v2/", true},
        NamedCase{"metadata", "https://169.254.169.254/", "https://reg.example/v2/", false},
        NamedCase{"loopback", "https://127.0.0.1/", "https://reg.example/v2/", false},
        NamedCase{"loopback6", "https://[::1]/", "https://reg.example/v2/", false},
        NamedCase{"mapped", "https://[::ffff:10.0.0.1]/", "https://reg.example/v2/", false},
        NamedCase{"localhost", "https://localhost/", "https://reg.example/v2/", false},
        NamedCase{"unspecified", "https://0.0.0.0/", "https://reg.example/v2/", false},
        NamedCase{"private", "https://10.0.0.1/", "https://reg.example/v2/", false},
        NamedCase{"private_own", "https://10.0.0.1:5000/token", "https://10.0.0.1:5000/v2/", true},
        NamedCase{"private_own_other_port", "https://10.0.0.1:5001/token", "https://10.0.0.1:5000/v2/", false},
        NamedCase{"loopback_for_loopback", "http://127.0.0.1:2/token", "http://localhost:1/v2/", true},
        NamedCase{"metadata_for_loopback", "http://169.254.169.254/token", "http://localhost:1/v2/", false}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(NamedUrl, ReachesNoMoreInternalAddressThanTheRegistry) {
  const Url registry = parse_url("https://reg.example/v2/");
  const Url other = parse_url("https://other.example/");
  EXPECT_EQ(reach_of_named_url(other, registry, AddressClass::kPublic), AddressClass::kPublic);
  EXPECT_EQ(reach_of_named_url(other, registry, AddressClass::kPrivate), AddressClass::kPrivate);
  EXPECT_EQ(reach_of_named_url(other, registry, AddressClass::kSpecial), AddressClass::kLoopback);
  EXPECT_EQ(reach_of_named_url(registry, registry, AddressClass::kPublic), AddressClass::kSpecial);
}

TEST(ProxyEnvironment, ChoosesByUrl) {
  const std::map<std::string, const char*> variables = {
      {"HTTPS_PROXY", "http://upper"},
      {"https_proxy", "http://lower"},
      {"ALL_PROXY", "socks5://all"},
      {"NO_PROXY", "corp.example, .dotted.example,10.0.0.0/8,192.168.1.1,exact.example:5000"}};
  const ProxyEnvironment proxies([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second;
  });
  const auto proxy = [&](const char* url) { return proxies.find_proxy(parse_url(url)).value_or(""); };
  EXPECT_EQ(proxy("https://docker.io/"), "http://lower");
  EXPECT_EQ(proxy("http://docker.io/"), "socks5://all");
  for (const char* direct : {"https://corp.example/", "https://a.corp.example:1/", "https://a.dotted.example/",
                             "https://10.2.3.4/", "https://192.168.1.1:5000/", "https://exact.example:5000/",
                             "http://localhost:5000/", "http://127.0.0.1/", "https://[::1]/"}) {
    EXPECT_EQ(proxy(direct), "") << direct;
  }
  for (const char* proxied :
       {"https://xcorp.example/", "https://dotted.example/", "https://exact.example/", "https://11.0.0.1/"}) {
    EXPECT_EQ(proxy(proxied), "http://lower") << proxied;
  }
}

}  // namespace
}  // namespace lighterd::distribution
