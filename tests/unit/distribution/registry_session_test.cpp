// SPDX-License-Identifier: Apache-2.0
// Hosts that are not on this machine: mirrors, Docker Hub, TLS rules. No packet leaves.
#include <gtest/gtest.h>

#include <deque>
#include <fstream>
#include <map>
#include <set>

#include "base/encoding.hpp"
#include "distribution/login.hpp"
#include "distribution/url.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/distribution/registry_fixture.hpp"
#include "tests/unit/distribution/scripted_http.hpp"

namespace lighterd::distribution {
namespace {

using base::ErrorCode;

HttpResponse manifest() {
  return respond(200, {{"Docker-Content-Digest", "sha256:" + std::string(64, 'a')},
                       {"Content-Type", kManifestType},
                       {"Content-Length", "2"}});
}

class RegistrySessionTest : public testing::Test {
 protected:
  RegistryClient client(HttpClient& http, const std::string& name, AuthConfig auth = {}) {
    return RegistryClient(http, options, oci::parse_repository_name(name), Access::kPull,
                          {std::move(auth), "ua", {{"X-Meta-A", "1"}}}, logger);
  }
  RegistryOptions options = [] {
    RegistryOptions result;
    result.retry.max_attempts = 1;
    return result;
  }();
  base::Logger logger{base::LogLevel::kError};
};

TEST_F(RegistrySessionTest, NeverFallsBackToHttpForSecureHosts) {
  ScriptedHttp http([](const HttpRequest&) -> HttpResponse {
    throw TransportError(TransportFailure::kTls, ErrorCode::kUnavailable, "tls");
  });
  EXPECT_THROW(client(http, "reg.example/a").resolve("1", {}), TransportError);
  EXPECT_EQ(http.urls(), std::vector<std::string>{"HEAD https://reg.example/v2/a/manifests/1"});
  EXPECT_EQ(http.requests[0].tls->verification, TlsVerification::kRequired);
}

TEST_F(RegistrySessionTest, ListedHostsFallBackWithoutVerification) {
  options.insecure_registries = {"reg.example:5000"};
  ScriptedHttp http([](const HttpRequest& request) {
    if (request.url.starts_with("https:")) throw TransportError(TransportFailure::kTls, ErrorCode::kUnavailable, "tls");
    return manifest();
  });
  client(http, "reg.example:5000/a").resolve("1", {});
  EXPECT_EQ(http.urls(), (std::vector<std::string>{"HEAD https://reg.example:5000/v2/a/manifests/1",
                                                   "HEAD http://reg.example:5000/v2/a/manifests/1"}));
  EXPECT_EQ(http.requests[0].tls->verification, TlsVerification::kOff);
}

TEST_F(RegistrySessionTest, RefusedConnectionIsFinalWithAPort) {
  options.insecure_registries = {"reg.example:5000", "reg.example"};
  ScriptedHttp http([](const HttpRequest& request) {
    if (request.url.starts_with("https:"))
      throw TransportError(TransportFailure::kConnect, ErrorCode::kUnavailable, "x");
    return manifest();
  });
  EXPECT_THROW(client(http, "reg.example:5000/a").resolve("1", {}), TransportError);
  EXPECT_EQ(http.requests.size(), 1U);
  EXPECT_NO_THROW(client(http, "reg.example/a").resolve("1", {}));
  EXPECT_EQ(http.requests.back().url, "http://reg.example/v2/a/manifests/1");
}

TEST_F(RegistrySessionTest, NoFallbackAfterTlsWorked) {
  options.insecure_registries = {"reg.example:5000"};
  int calls = 0;
  ScriptedHttp http([&](const HttpRequest&) {
    if (++calls > 1) throw TransportError(TransportFailure::kTls, ErrorCode::kUnavailable, "tls");
    return manifest();
  });
  auto puller = client(http, "reg.example:5000/a");
  puller.resolve("1", {});
  EXPECT_THROW(puller.resolve("1", {}), TransportError);
  EXPECT_EQ(http.requests.size(), 2U);
}

TEST_F(RegistrySessionTest, HubIsSpokenToAtItsRegistryHost) {
  ScriptedHttp http([](const HttpRequest&) { return manifest(); });
  auto puller = client(http, "docker.io/library/alpine");
  puller.resolve("3", {});
  EXPECT_EQ(http.urls(), std::vector<std::string>{"HEAD https://registry-1.docker.io/v2/library/alpine/manifests/3"});
  EXPECT_EQ(puller.registry(), "docker.io");
}

TEST_F(RegistrySessionTest, MirrorsComeFirstAndAnonymous) {
  options.mirrors = {"https://mirror.example/cache/", "junk", "http://second.example:5000/v2"};
  ScriptedHttp http([](const HttpRequest& request) {
    if (request.url.starts_with("https://mirror.example")) {
      throw TransportError(TransportFailure::kConnect, ErrorCode::kUnavailable, "down");
    }
    if (request.url.starts_with("http://second.example")) {
      return respond(401, {{"WWW-Authenticate", "Basic realm=x"}}, "no");
    }
    if (request.authorization.empty()) return respond(401, {{"WWW-Authenticate", "Basic realm=x"}});
    return manifest();
  });
  auto puller = client(http, "docker.io/library/alpine", password_auth("u", "p"));
  puller.resolve("3", {});
  puller.resolve("3", {});
  EXPECT_EQ(http.urls(), (std::vector<std::string>{
                             "HEAD https://mirror.example/cache/v2/library/alpine/manifests/3?ns=docker.io",
                             "HEAD http://second.example:5000/v2/library/alpine/manifests/3?ns=docker.io",
                             "HEAD https://registry-1.docker.io/v2/library/alpine/manifests/3",
                             "HEAD https://registry-1.docker.io/v2/library/alpine/manifests/3",
                             // Not the mirror that cannot be reached, nor one more 401 of the registry.
                             "HEAD https://registry-1.docker.io/v2/library/alpine/manifests/3",
                         }));
  for (const HttpRequest& request : http.requests) {
    const bool is_hub = request.url.starts_with("https://registry-1.docker.io/");
    EXPECT_TRUE(is_hub || request.authorization.empty()) << request.url;
    const bool has_meta = std::any_of(request.headers.begin(), request.headers.end(),
                                      [](const auto& h) { return h.first == "X-Meta-A"; });
    EXPECT_EQ(has_meta, is_hub) << request.url;
  }
}

// The registry cannot be reached at all, as behind a firewall.
TEST_F(RegistrySessionTest, AMirrorThatBrokeOffIsAskedAgain) {
  options.mirrors = {"https://mirror.example"};
  options.retry = {.max_attempts = 3, .first_delay = std::chrono::milliseconds(1)};
  const oci::Descriptor blob{"", oci::digest_of(base::as_bytes("x")), 1, {}, {}, {}, {}};
  for (const auto failure : {TransportFailure::kBroken, TransportFailure::kTimeout, TransportFailure::kConnect}) {
    int asked = 0;
    ScriptedHttp http([&](const HttpRequest& request) {
      if (!request.url.starts_with("https://mirror.example/")) {
        throw TransportError(TransportFailure::kConnect, ErrorCode::kUnavailable, "down");
      }
      if (++asked == 2) throw TransportError(failure, ErrorCode::kUnavailable, "cut");
      return asked == 1 ? manifest() : respond(200, {}, "x");
    });
    auto puller = client(http, "docker.io/library/alpine");
    puller.resolve("3", {});
    StringSink sink(blob);
    EXPECT_THROW(puller.get_blob(blob, sink, {}, {}), TransportError);
    puller.get_blob(blob, sink, {}, {});
    EXPECT_EQ(sink.text, "x");
  }
}

TEST_F(RegistrySessionTest, AMirrorThatHasAnsweredIsNotGivenUp) {
  options.mirrors = {"https://mirror.example"};
  int asked = 0;
  ScriptedHttp http([&](const HttpRequest& request) {
    if (request.url.starts_with("https://mirror.example/") && ++asked == 2) {
      throw TransportError(TransportFailure::kConnect, ErrorCode::kUnavailable, "reset");
    }
    return manifest();
  });
  auto puller = client(http, "docker.io/library/alpine");
  for (int i = 0; i < 3; ++i) puller.resolve("3", {});
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(http.requests.size(), 4U);
}

TEST_F(RegistrySessionTest, AMirrorThatWasDownIsAskedInTheNextRound) {
  options.mirrors = {"https://mirror.example"};
  options.retry = {.max_attempts = 2, .first_delay = std::chrono::milliseconds(1)};
  int asked = 0;
  ScriptedHttp http([&](const HttpRequest& request) {
    const bool is_mirror = request.url.starts_with("https://mirror.example/");
    if (!is_mirror || ++asked == 1) throw TransportError(TransportFailure::kConnect, ErrorCode::kUnavailable, "down");
    return manifest();
  });
  client(http, "docker.io/library/alpine").resolve("3", {});
  EXPECT_EQ(http.requests.size(), 3U);
}

TEST_F(RegistrySessionTest, MirrorsAreForHubOnly) {
  options.mirrors = {"https://mirror.example"};
  ScriptedHttp http([](const HttpRequest&) { return manifest(); });
  client(http, "ghcr.io/a/b").resolve("1", {});
  EXPECT_EQ(http.urls(), std::vector<std::string>{"HEAD https://ghcr.io/v2/a/b/manifests/1"});
}

class HostsTomlSessionTest : public RegistrySessionTest {
 protected:
  HostsTomlSessionTest() { options.certs_roots = {folder.path()}; }
  void write_hosts(const std::string& text) {
    std::filesystem::create_directories(folder.path() / "reg.example");
    std::ofstream(folder.path() / "reg.example" / "hosts.toml") << text;
  }
  tests::TempDir folder;
};

TEST_F(HostsTomlSessionTest, AHostIsAskedForWhatItCan) {
  write_hosts(R"([host."https://blobs.example"]
capabilities = ["pull"]
[host."https://tags.example"]
capabilities = ["resolve"]
)");
  ScriptedHttp http([](const HttpRequest& request) {
    return request.url.find("/blobs/") == std::string::npos ? manifest() : respond(200, {}, "x");
  });
  auto puller = client(http, "reg.example/a");
  puller.resolve("1", {});
  const oci::Descriptor blob{"", oci::digest_of(base::as_bytes("x")), 1, {}, {}, {}, {}};
  StringSink sink(blob);
  puller.get_blob(blob, sink, {}, {});
  EXPECT_EQ(http.requests.front().url, "https://tags.example/v2/a/manifests/1?ns=reg.example");
  EXPECT_TRUE(http.requests.back().url.starts_with("https://blobs.example/v2/a/blobs/")) << http.requests.back().url;
  EXPECT_EQ(http.requests.size(), 2U);
}

TEST_F(HostsTomlSessionTest, OnlyWhoHasASuccessorIsNotWaitedFor) {
  write_hosts(R"(capabilities = ["pull"]
[host."https://first.example"]
capabilities = ["pull", "resolve"]
[host."https://second.example"]
capabilities = ["resolve", "push"]
)");
  const auto patience_of = [&](Access access) {
    std::map<std::string, bool> is_patient;
    ScriptedHttp http([&](const HttpRequest& request) {
      is_patient[parse_url(request.url).host] = request.patience.count() > 0;
      return respond(404);
    });
    RegistryClient each(http, options, oci::parse_repository_name("reg.example/a"), access, {{}, "ua", {}}, logger);
    if (access == Access::kPush) {
      each.has_manifest(oci::digest_of(base::as_bytes("x")), {});
    } else {
      EXPECT_THROW(each.resolve("1", {}), base::Error);
    }
    return is_patient;
  };
  using Patience = std::map<std::string, bool>;
  EXPECT_EQ(patience_of(Access::kPull), (Patience{{"first.example", false}, {"second.example", true}}));
  EXPECT_EQ(patience_of(Access::kPush), (Patience{{"second.example", true}}));
}

TEST_F(HostsTomlSessionTest, NobodyIsAskedForWhatNobodyCan) {
  write_hosts("capabilities = ['pull']\n");
  ScriptedHttp http([](const HttpRequest&) { return manifest(); });
  EXPECT_EQ(error_of([&] { client(http, "reg.example/a").resolve("1", {}); }).code(), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(http.requests.empty());
}

TEST_F(HostsTomlSessionTest, AServerElsewhereGetsNothingOfTheClients) {
  write_hosts("server = 'https://upstream.example'\n");
  for (const bool token : {false, true}) {
    ScriptedHttp http([](const HttpRequest& request) {
      if (request.authorization.empty()) return respond(401, {{"WWW-Authenticate", "Basic realm=x"}});
      return manifest();
    });
    AuthConfig auth = password_auth("u", "p");
    if (token) auth.registry_token = base::Secret("t");
    EXPECT_THROW(client(http, "reg.example/a", auth).resolve("1", {}), base::Error);
    for (const HttpRequest& request : http.requests) {
      EXPECT_TRUE(request.url.starts_with("https://upstream.example/")) << request.url;
      EXPECT_TRUE(request.authorization.empty());
      for (const auto& header : request.headers) EXPECT_NE(header.first, "X-Meta-A");
    }
  }
}

TEST_F(HostsTomlSessionTest, HeadersOfAHostGoToItsOriginOnly) {
  write_hosts(R"([host."https://m.example"]
dial_timeout = "7s"
header = {Authorization = "Basic eA==", X-Key = "k", user-agent = "other"}
)");
  ScriptedHttp http([](const HttpRequest& request) {
    if (request.url.starts_with("https://m.example/")) {
      return respond(307, {{"Location", "https://storage.example/x"}});
    }
    return request.url.starts_with("https://storage.example/") ? respond(500) : manifest();
  });
  client(http, "reg.example/a", password_auth("u", "p")).resolve("1", {});
  ASSERT_GE(http.requests.size(), 3U);
  for (const HttpRequest& request : http.requests) {
    const bool is_mirror = request.url.starts_with("https://m.example/");
    EXPECT_EQ(request.authorization.reveal(), is_mirror ? "Basic eA==" : "") << request.url;
    EXPECT_EQ(request.connect_timeout, is_mirror ? std::chrono::seconds(7) : std::chrono::seconds(30)) << request.url;
    std::string agents;
    bool has_key = false;
    for (const auto& [name, value] : request.headers) {
      if (base::equals_ignoring_case(name, "User-Agent")) agents += value;
      has_key = has_key || name == "X-Key";
    }
    EXPECT_EQ(has_key, is_mirror) << request.url;
    EXPECT_EQ(agents, is_mirror ? "other" : "ua") << request.url;
  }
}

TEST_F(HostsTomlSessionTest, OwnCredentialsAreForTheirHostAndGiveWayToTheClients) {
  write_hosts("[host.'https://m.example']\n[host.'https://other.example']\n");
  options.auth_file = folder.path() / "auth.json";
  std::ofstream(options.auth_file) << R"({"auths":{"m.example":{"username":"m","password":"1"},)"
                                   << R"("reg.example":{"username":"r","password":"2"}}})";
  const std::string mirror = "Basic " + base::base64_encode("m:1");
  const std::string own = "Basic " + base::base64_encode("r:2");
  const std::string client_sent = "Basic " + base::base64_encode("u:p");
  for (const bool has_sent : {false, true}) {
    ScriptedHttp http([](const HttpRequest& request) {
      if (request.authorization.empty()) return respond(401, {{"WWW-Authenticate", "Basic realm=x"}});
      return request.url.starts_with("https://m.example/") ? respond(404) : manifest();
    });
    client(http, "reg.example/a", has_sent ? password_auth("u", "p") : AuthConfig()).resolve("1", {});
    std::map<std::string, std::set<std::string>> seen;
    for (const HttpRequest& request : http.requests)
      seen[parse_url(request.url).host].insert(request.authorization.reveal());
    EXPECT_EQ(seen["m.example"], (std::set<std::string>{"", mirror}));
    EXPECT_EQ(seen["other.example"], std::set<std::string>{""});
    EXPECT_EQ(seen["reg.example"], (std::set<std::string>{"", has_sent ? client_sent : own}));
  }
}

TEST_F(HostsTomlSessionTest, NoPasswordGoesOverPlainHttpToAHostThatIsNotInsecure) {
  std::filesystem::create_directories(folder.path() / "reg.example:5000");
  std::ofstream(folder.path() / "reg.example:5000" / "hosts.toml") << "server = 'http://reg.example:5000'\n"
                                                                   << "[host.'http://m.example']\n";
  options.auth_file = folder.path() / "auth.json";
  std::ofstream(options.auth_file) << R"({"auths":{"https://m.example":{"username":"m","password":"1"}}})";
  const auto asks = [&](bool is_insecure) {
    options.insecure_registries.clear();
    if (is_insecure) options.insecure_registries = {"reg.example:5000", "m.example"};
    ScriptedHttp http([](const HttpRequest& request) {
      if (request.authorization.empty()) return respond(401, {{"WWW-Authenticate", "Basic realm=x"}});
      return request.url.starts_with("http://m.example/") ? respond(404) : manifest();
    });
    try {
      client(http, "reg.example:5000/a", password_auth("u", "p")).resolve("1", {});
    } catch (const base::Error&) {
    }
    return std::count_if(http.requests.begin(), http.requests.end(),
                         [](const HttpRequest& request) { return !request.authorization.empty(); });
  };
  EXPECT_EQ(asks(false), 0);
  EXPECT_GE(asks(true), 2);
}

TEST_F(HostsTomlSessionTest, TheClientsCredentialsComeBeforeTheHeaderOfTheRegistry) {
  write_hosts("header = {Authorization = 'Basic eA=='}\n");
  for (const bool has_sent : {false, true}) {
    ScriptedHttp http([](const HttpRequest& request) {
      return request.authorization.empty() ? respond(401, {{"WWW-Authenticate", "Basic realm=x"}}) : manifest();
    });
    client(http, "reg.example/a", has_sent ? password_auth("u", "p") : AuthConfig()).resolve("1", {});
    EXPECT_EQ(http.requests.back().authorization.reveal(),
              has_sent ? "Basic " + base::base64_encode("u:p") : "Basic eA==");
  }
}

TEST_F(HostsTomlSessionTest, LoginIsNotAnsweredByTheHeaderOfTheRegistry) {
  write_hosts("header = {Authorization = 'Basic eA=='}\n");
  ScriptedHttp http([](const HttpRequest& request) {
    return request.authorization.reveal() == "Basic eA==" ? respond(200)
                                                          : respond(401, {{"WWW-Authenticate", "Basic realm=x"}});
  });
  for (const auto& auth : {AuthConfig(), password_auth("u", "wrong")}) {
    EXPECT_THROW(check_login(http, options, "reg.example", {auth, "ua", {}}, logger, {}), base::Error);
  }
}

TEST_F(HostsTomlSessionTest, LoginAsksAboutTheClientsCredentialsAlone) {
  options.auth_file = folder.path() / "auth.json";
  std::ofstream(options.auth_file) << R"({"auths":{"reg.example":{"username":"r","password":"2"}}})";
  ScriptedHttp http([](const HttpRequest& request) {
    return request.authorization.empty() ? respond(401, {{"WWW-Authenticate", "Basic realm=x"}}) : respond(200);
  });
  EXPECT_THROW(check_login(http, options, "reg.example", {{}, "ua", {}}, logger, {}), base::Error);
  EXPECT_EQ(http.requests.size(), 1U);
}

TEST_F(RegistrySessionTest, TokenGoesToTheRegistryAndPasswordToTheRealm) {
  ScriptedHttp http([](const HttpRequest& request) {
    if (request.url.starts_with("https://auth.docker.io/")) return respond(200, {}, R"({"token":"t"})");
    if (request.authorization.empty()) {
      return respond(
          401,
          {{"Www-Authenticate",
            R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull")"}});
    }
    return manifest();
  });
  client(http, "docker.io/library/alpine", password_auth("u", "p")).resolve("3", {});
  ASSERT_EQ(http.requests.size(), 3U);
  EXPECT_EQ(http.requests[1].url,
            "https://auth.docker.io/"
            "token?service=registry.docker.io&scope=repository%3Alibrary%2Falpine%3Apull&account=u&client_id=lighterd");
  EXPECT_TRUE(http.requests[1].authorization.reveal().starts_with("Basic "));
  EXPECT_EQ(http.requests[1].reach, AddressClass::kPublic);
  EXPECT_EQ(http.requests[1].tls->verification, TlsVerification::kRequired);
  EXPECT_EQ(http.requests[2].authorization.reveal(), "Bearer t");
}

TEST_F(RegistrySessionTest, APasswordGoesToNoOtherHostInPlainHttp) {
  options.insecure_registries = {"reg.example:5000"};
  for (const bool identity : {false, true}) {
    ScriptedHttp http([](const HttpRequest& request) {
      if (request.url.starts_with("https:"))
        throw TransportError(TransportFailure::kTls, ErrorCode::kUnavailable, "tls");
      return respond(401, {{"Www-Authenticate", R"(Bearer realm="http://collector.example/token",service="s")"}});
    });
    AuthConfig auth = password_auth("u", "p");
    if (identity) auth.identity_token = base::Secret("refresh");
    EXPECT_THROW(client(http, "reg.example:5000/a", auth).resolve("1", {}), base::Error);
    for (const HttpRequest& request : http.requests)
      EXPECT_EQ(request.url.find("collector.example"), std::string::npos) << request.url;
  }
}

struct RealmCase {
  const char* name;
  const char* realm;
};
class RealmOfASecureRegistry : public RegistrySessionTest, public testing::WithParamInterface<RealmCase> {};
TEST_P(RealmOfASecureRegistry, IsRefused) {
  ScriptedHttp http([](const HttpRequest&) {
    return respond(401, {{"WWW-Authenticate", std::string("Bearer realm=\"") + GetParam().realm + "\""}});
  });
  const auto error = error_of([&] { client(http, "reg.example/a", password_auth("u", "p")).resolve("1", {}); });
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(http.requests.size(), 1U);
}
INSTANTIATE_TEST_SUITE_P(
    Table, RealmOfASecureRegistry,
    testing::Values(RealmCase{"http", "http://auth.example/token"}, RealmCase{"metadata", "https://169.254.169.254/"},
                    RealmCase{"loopback", "https://127.0.0.1/"}, RealmCase{"localhost", "https://localhost:1/"},
                    RealmCase{"private", "https://192.168.0.1/"}, RealmCase{"userinfo", "https://u:p@auth.example/"}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_F(RegistrySessionTest, RedirectFromHttpsToHttpIsRefused) {
  ScriptedHttp http([](const HttpRequest&) { return respond(307, {{"Location", "http://storage.example/x"}}); });
  EXPECT_EQ(error_of([&] { client(http, "reg.example/a").resolve("1", {}); }).code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(http.requests.size(), 1U);
}

struct OriginCase {
  const char* name;
  const char* target;
  bool is_same;
};
class RedirectTarget : public RegistrySessionTest, public testing::WithParamInterface<OriginCase> {};
TEST_P(RedirectTarget, GetsCredentialsOnlyAtTheSameOrigin) {
  for (const int status : {301, 302, 303, 307, 308}) {
    ScriptedHttp http([&](const HttpRequest& request) {
      if (request.url == GetParam().target) return manifest();
      if (request.authorization.empty()) return respond(401, {{"WWW-Authenticate", "Basic realm=x"}});
      return respond(status, {{"Location", GetParam().target}});
    });
    client(http, "reg.example/a", password_auth("u", "p")).resolve("1", {});
    const HttpRequest& last = http.requests.back();
    EXPECT_EQ(last.url, GetParam().target);
    EXPECT_EQ(!last.authorization.empty(), GetParam().is_same) << status;
    const bool has_meta = std::any_of(last.headers.begin(), last.headers.end(),
                                      [](const auto& each) { return each.first == "X-Meta-A"; });
    EXPECT_EQ(has_meta, GetParam().is_same) << status;
    EXPECT_EQ(last.tls->verification, TlsVerification::kRequired);
  }
}
INSTANTIATE_TEST_SUITE_P(Table, RedirectTarget,
                         testing::Values(OriginCase{"same", "https://reg.example/elsewhere", true},
                                         OriginCase{"written_port", "https://reg.example:443/elsewhere", true},
                                         OriginCase{"other_port", "https://reg.example:444/elsewhere", false},
                                         OriginCase{"sub_domain", "https://a.reg.example/elsewhere", false},
                                         OriginCase{"parent", "https://example/elsewhere", false},
                                         OriginCase{"other", "https://storage.example/elsewhere", false}),
                         [](const auto& each) { return std::string(each.param.name); });

struct HopCase {
  const char* name;
  const char* location;
};
class TokenServerHop : public RegistrySessionTest, public testing::WithParamInterface<HopCase> {};
TEST_P(TokenServerHop, IsHeldToTheRulesOfARealm) {
  ScriptedHttp http([](const HttpRequest& request) {
    if (request.url.starts_with("https://auth.example/")) return respond(307, {{"Location", GetParam().location}});
    return respond(401, {{"WWW-Authenticate", R"(Bearer realm="https://auth.example/token")"}});
  });
  const auto error = error_of([&] { client(http, "reg.example/a", password_auth("u", "p")).resolve("1", {}); });
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied) << error.text();
  EXPECT_EQ(http.requests.size(), 2U);
}
INSTANTIATE_TEST_SUITE_P(Table, TokenServerHop,
                         testing::Values(HopCase{"http", "http://other.example/x"},
                                         HopCase{"loopback", "https://127.0.0.1:4/x"},
                                         HopCase{"loopback_v6", "https://[::1]/x"},
                                         HopCase{"metadata", "https://169.254.169.254/latest"},
                                         HopCase{"mapped", "https://[::ffff:10.0.0.1]/x"}),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_F(RegistrySessionTest, TheUrlsOfAForeignLayerAreNotFollowed) {
  for (const int status : {401, 404}) {
    ScriptedHttp http([&](const HttpRequest&) { return respond(status); });
    const oci::Descriptor layer{.media_type = "application/vnd.oci.image.layer.nondistributable.v1.tar",
                                .digest = oci::digest_of(base::as_bytes("x")),
                                .size_bytes = 1,
                                .urls = {"https://collector.example/layer"}};
    StringSink sink(layer);
    EXPECT_THROW(client(http, "reg.example/a", password_auth("u", "p")).get_blob(layer, sink, {}, {}), base::Error);
    EXPECT_FALSE(http.requests.empty());
    for (const HttpRequest& request : http.requests)
      EXPECT_TRUE(request.url.starts_with("https://reg.example/")) << request.url;
  }
}

TEST_F(HostsTomlSessionTest, ATokenServerIsVerifiedWithTheCasOfItsRegistry) {
  write_hosts("ca = 'ca.pem'\nskip_verify = true\n");
  std::ofstream(folder.path() / "reg.example" / "ca.pem") << "-----BEGIN CERTIFICATE-----";
  ScriptedHttp http([](const HttpRequest& request) {
    if (request.url.starts_with("https://auth.example/")) return respond(200, {}, R"({"token":"t"})");
    if (!request.authorization.empty()) return manifest();
    return respond(401, {{"WWW-Authenticate", R"(Bearer realm="https://auth.example/token")"}});
  });
  client(http, "reg.example/a").resolve("1", {});
  ASSERT_EQ(http.requests.size(), 3U);
  EXPECT_EQ(http.requests[0].tls->verification, TlsVerification::kOff);
  EXPECT_EQ(http.requests[1].tls->verification, TlsVerification::kRequired);
  EXPECT_EQ(http.requests[1].tls->extra_ca_pems.size(), 1U);
}

TEST_F(RegistrySessionTest, RedirectTargetsAreHeldToTheRegistrysKindOfAddress) {
  ScriptedHttp http([](const HttpRequest& request) {
    HttpResponse response = request.url.find("storage") == std::string::npos
                                ? respond(307, {{"Location", "https://storage.reg.example/x"}})
                                : manifest();
    response.peer = find_ip_address("10.0.0.1");
    return response;
  });
  client(http, "reg.example/a").resolve("1", {});
  ASSERT_EQ(http.requests.size(), 2U);
  EXPECT_EQ(http.requests[0].reach, AddressClass::kSpecial);
  EXPECT_EQ(http.requests[1].reach, AddressClass::kPrivate);
}

}  // namespace
}  // namespace lighterd::distribution
