// SPDX-License-Identifier: Apache-2.0
// Which hosts an operation asks, in which order and how; no packet is sent.
#include "distribution/registry_endpoint.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.hpp"
#include "tests/support/temp_dir.hpp"

namespace lighterd::distribution {
namespace {

using namespace std::chrono_literals;
using Endpoints = std::vector<std::unique_ptr<Endpoint>>;

const std::string kCertificate = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n";

class EndpointTest : public testing::Test {
 protected:
  EndpointTest() { options.certs_roots = {folder.path()}; }
  void write(const std::string& file, const std::string& text) {
    const auto path = folder.path() / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  Endpoints make(const std::string& domain, Access access = Access::kPull) {
    return make_endpoints(options, domain, access, logger);
  }
  std::vector<std::string> urls(const std::string& domain, Access access = Access::kPull) {
    std::vector<std::string> result;
    for (const auto& each : make(domain, access)) result.push_back(each->url("a", "").to_string());
    return result;
  }

  tests::TempDir folder;
  RegistryOptions options;
  base::Logger logger{base::LogLevel::kError};
};

using Urls = std::vector<std::string>;

TEST_F(EndpointTest, WithoutFilesThereIsTheRegistryAlone) {
  EXPECT_EQ(urls("reg.example:5000"), Urls{"https://reg.example:5000/v2/a"});
  EXPECT_EQ(urls("docker.io"), Urls{"https://registry-1.docker.io/v2/a"});
  const auto endpoints = make("reg.example");
  EXPECT_EQ(endpoints[0]->scheme(), Scheme::kHttps);
  EXPECT_TRUE(endpoints[0]->is_reference_host());
  EXPECT_TRUE(endpoints[0]->can(Capability::kPush));
}

TEST_F(EndpointTest, HostsComeBeforeTheServerAndAreToldWhoseImagesTheyServe) {
  write("reg.example:5000/hosts.toml", R"(server = "https://upstream.example"
[host."http://z.example"]
[host."https://a.example/x"]
override_path = true
[host."https://reg.example:5000"]
)");
  EXPECT_EQ(urls("reg.example:5000"),
            (Urls{"http://z.example/v2/a?ns=reg.example%3A5000", "https://a.example/x/a?ns=reg.example%3A5000",
                  "https://reg.example:5000/v2/a", "https://upstream.example/v2/a?ns=reg.example%3A5000"}));
  const auto endpoints = make("reg.example:5000");
  EXPECT_EQ(endpoints[0]->kind(), Endpoint::Kind::kMirror);
  EXPECT_EQ(endpoints[0]->scheme(), Scheme::kHttp);
  EXPECT_FALSE(endpoints[0]->is_reference_host());
  EXPECT_TRUE(endpoints[2]->is_reference_host());
  EXPECT_EQ(endpoints[3]->kind(), Endpoint::Kind::kRegistry);
  EXPECT_FALSE(endpoints[3]->is_reference_host());
}

TEST_F(EndpointTest, CaseOfTheNameDoesNotMatter) {
  write("reg.example/hosts.toml", "server = 'https://upstream.example'");
  EXPECT_EQ(urls("Reg.Example").at(0).find("https://upstream.example/"), 0U);
}

TEST_F(EndpointTest, OnlyTrustedHostsKeepSecretsInPlainHttp) {
  options.insecure_registries = {"listed.example:5000"};
  write("reg.example:5000/hosts.toml", R"(server = "http://reg.example:5000"
[host."http://listed.example:5000"]
[host."http://127.0.0.1:5000"]
[host."http://m.example"]
skip_verify = true
[host."https://m.example"]
)");
  const auto endpoints = make("reg.example:5000");
  std::vector<bool> kept;
  for (const auto& endpoint : endpoints) kept.push_back(endpoint->keeps_secrets());
  EXPECT_EQ(kept, (std::vector<bool>{true, true, false, true, false}));
}

TEST_F(EndpointTest, OtherRegistriesAreNotTouched) {
  write("reg.example/hosts.toml", "server = 'https://upstream.example'");
  EXPECT_EQ(urls("reg.example:5000"), Urls{"https://reg.example:5000/v2/a"});
}

TEST_F(EndpointTest, DefaultIsForAllTheOthers) {
  write("_default/hosts.toml", "[host.'https://cache.example']\n");
  EXPECT_EQ(urls("reg.example"), (Urls{"https://cache.example/v2/a?ns=reg.example", "https://reg.example/v2/a"}));
  EXPECT_EQ(urls("docker.io"), (Urls{"https://cache.example/v2/a?ns=docker.io", "https://registry-1.docker.io/v2/a"}));
}

TEST_F(EndpointTest, MirrorsOfHubJoinOnlyWhereItHasNoOtherHost) {
  options.mirrors = {"https://m.example"};
  EXPECT_EQ(urls("docker.io"), (Urls{"https://m.example/v2/a?ns=docker.io", "https://registry-1.docker.io/v2/a"}));
  write("docker.io/hosts.toml", "capabilities = ['pull', 'resolve', 'push']\n");
  EXPECT_EQ(urls("docker.io"), (Urls{"https://m.example/v2/a?ns=docker.io", "https://registry-1.docker.io/v2/a"}));
  write("docker.io/hosts.toml", "[host.'https://other.example']\n");
  EXPECT_EQ(urls("docker.io"), (Urls{"https://other.example/v2/a?ns=docker.io", "https://registry-1.docker.io/v2/a"}));
}

TEST_F(EndpointTest, PushGoesToTheFirstThatCan) {
  options.mirrors = {"https://m.example"};
  EXPECT_EQ(urls("docker.io", Access::kPush), Urls{"https://registry-1.docker.io/v2/a"});
  write("reg.example/hosts.toml", R"([host."https://a.example"]
capabilities = ["pull", "resolve"]
[host."https://b.example"]
capabilities = ["push"]
)");
  EXPECT_EQ(urls("reg.example", Access::kPush), Urls{"https://b.example/v2/a?ns=reg.example"});
  EXPECT_EQ(urls("reg.example"), (Urls{"https://a.example/v2/a?ns=reg.example", "https://reg.example/v2/a"}));
  write("reg.example/hosts.toml", "capabilities = ['pull']\n");
  try {
    make("reg.example", Access::kPush);
    FAIL() << "no error";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kPermissionDenied);
  }
}

TEST_F(EndpointTest, LoginAsksTheRegistryItself) {
  options.mirrors = {"https://m.example"};
  EXPECT_EQ(urls("docker.io", Access::kLogin), Urls{"https://registry-1.docker.io/v2/a"});
  write("reg.example/hosts.toml", "capabilities = ['push']\nheader = {X-A = '1'}\n[host.'https://a.example']\n");
  EXPECT_EQ(urls("reg.example", Access::kLogin), Urls{"https://reg.example/v2/a"});
  EXPECT_EQ(make("reg.example", Access::kLogin)[0]->headers().size(), 1U);
  write("reg.example/hosts.toml", "server = 'https://upstream.example'\nheader = {X-A = '1'}\n");
  EXPECT_EQ(urls("reg.example", Access::kLogin), Urls{"https://reg.example/v2/a"});
  EXPECT_TRUE(make("reg.example", Access::kLogin)[0]->headers().empty());
}

TEST_F(EndpointTest, AHostIsSpokenToAsItsEntrySays) {
  write("reg.example/hosts.toml", R"([host."https://a.example"]
ca = "mirror.pem"
dial_timeout = "250ms"
header = {X-A = "1", Authorization = "Basic eA=="}
)");
  write("reg.example/mirror.pem", kCertificate + "m");
  write("a.example/own.crt", kCertificate + "o");
  const auto endpoints = make("reg.example");
  const Endpoint& mirror = *endpoints[0];
  EXPECT_EQ(mirror.dial_timeout(), 250ms);
  EXPECT_EQ(mirror.headers(), (HeaderList{{"X-A", "1"}}));
  EXPECT_EQ(mirror.authorization().reveal(), "Basic eA==");
  EXPECT_EQ(mirror.tls_for(mirror.base())->extra_ca_pems,
            (std::vector<std::string>{kCertificate + "o", kCertificate + "m"}));
  EXPECT_TRUE(endpoints[1]->headers().empty());
  EXPECT_TRUE(endpoints[1]->tls_for(endpoints[1]->base())->extra_ca_pems.empty());
}

TEST_F(EndpointTest, AHostThatItNamesIsShownNoClientCertificate) {
  write("reg.example/ca.crt", kCertificate);
  write("reg.example/me.cert", kCertificate + "-----BEGIN PRIVATE KEY-----");
  write("auth.example/own.crt", kCertificate + "2");
  const auto endpoints = make("reg.example");
  EXPECT_FALSE(endpoints[0]->tls_for(parse_url("https://reg.example/x"))->client_key_pem.empty());
  const auto other = endpoints[0]->tls_for(parse_url("https://auth.example/token"));
  EXPECT_TRUE(other->client_key_pem.empty());
  EXPECT_EQ(other->extra_ca_pems, (std::vector<std::string>{kCertificate + "2", kCertificate}));
  EXPECT_EQ(other->verification, TlsVerification::kRequired);
}

TEST_F(EndpointTest, VerificationIsOffForInsecureHostsAndWhereItIsSkipped) {
  options.insecure_registries = {"10.0.0.0/8", "lab.example"};
  const auto is_off = [](const Endpoint& endpoint) {
    return endpoint.tls_for(endpoint.base())->verification == TlsVerification::kOff;
  };
  const auto is_insecure = [&](const std::string& domain) { return is_off(*make(domain)[0]); };
  EXPECT_TRUE(is_insecure("10.1.2.3:5000"));
  EXPECT_TRUE(is_insecure("lab.example"));
  EXPECT_TRUE(is_insecure("127.0.0.1:5000"));
  EXPECT_FALSE(is_insecure("11.1.2.3:5000"));
  EXPECT_EQ(make("lab.example")[0]->scheme(), Scheme::kUndecided);
  write("reg.example/hosts.toml", R"([host."https://skipped.example"]
skip_verify = true
[host."https://10.0.0.1"]
[host."https://10.0.0.2"]
skip_verify = false
)");
  const auto endpoints = make("reg.example");
  EXPECT_TRUE(is_off(*endpoints[0]));
  EXPECT_TRUE(is_off(*endpoints[1]));
  EXPECT_FALSE(is_off(*endpoints[2]));
  EXPECT_FALSE(is_off(*endpoints[3]));
  // Nothing but https was asked for.
  for (const auto& endpoint : endpoints) EXPECT_EQ(endpoint->scheme(), Scheme::kHttps);
  // What is not verified here is verified elsewhere.
  EXPECT_EQ(endpoints[0]->tls_for(parse_url("https://auth.example/"))->verification, TlsVerification::kRequired);
}

TEST_F(EndpointTest, AnEditIsSeenByTheNextOperation) {
  EXPECT_EQ(urls("reg.example").size(), 1U);
  write("reg.example/hosts.toml", "[host.'https://a.example']\n");
  EXPECT_EQ(urls("reg.example").size(), 2U);
}

TEST_F(EndpointTest, ABrokenFileIsAnError) {
  write("reg.example/hosts.toml", "[host\n");
  try {
    make("reg.example");
    FAIL() << "no error";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
    EXPECT_NE(error.text().find("hosts.toml:1:"), std::string::npos) << error.text();
  }
  std::filesystem::create_directories(folder.path() / "linked.example");
  std::filesystem::create_symlink("missing", folder.path() / "linked.example" / "hosts.toml");
  write("large.example/hosts.toml", std::string(1 << 20, '#'));
  for (const char* host : {"linked.example", "large.example"}) {
    try {
      make(host);
      FAIL() << "no error";
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument) << host;
    }
  }
  write("reg.example/hosts.toml", "[host.'https://a.example']\nca = 'missing.pem'\n");
  try {
    make("reg.example");
    FAIL() << "no error";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
    EXPECT_NE(error.text().find("hosts.toml"), std::string::npos) << error.text();
    EXPECT_NE(error.text().find("missing.pem"), std::string::npos) << error.text();
  }
}

}  // namespace
}  // namespace lighterd::distribution
