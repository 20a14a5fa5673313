// SPDX-License-Identifier: Apache-2.0
#include "distribution/v1_session.hpp"

#include <algorithm>
#include <thread>

#include "distribution/refusal_sink.hpp"
#include "tests/support/error_code.hpp"
#include "tests/unit/distribution/registry_fixture.hpp"
#include "tests/unit/distribution/scripted_http.hpp"

namespace lighterd::distribution {
namespace {

using base::ErrorCode;
using tests::code_of;

HttpResponse setting(const std::vector<std::string>& cookies) {
  HeaderList headers;
  for (const std::string& cookie : cookies) headers.emplace_back("Set-Cookie", cookie);
  return respond(200, std::move(headers));
}

const Url kHome = parse_url("https://reg.example/v1/");

TEST(CookieJarTest, KeepsNamesAndValuesOfAnOrigin) {
  CookieJar jar;
  jar.keep(kHome, setting({"a=1; Path=/nowhere; Domain=example; HttpOnly", "b=\"x=y\"", "empty="}));
  EXPECT_EQ(jar.cookies_for(parse_url("https://reg.example/other?q")).reveal(), "a=1; b=\"x=y\"; empty=");
  jar.keep(kHome, setting({"a=2"}));
  EXPECT_EQ(jar.cookies_for(kHome).reveal(), "a=2; b=\"x=y\"; empty=");
  for (const char* other :
       {"http://reg.example/v1/", "https://reg.example:444/v1/", "https://sub.reg.example/v1/", "https://example/v1/"})
    EXPECT_TRUE(jar.cookies_for(parse_url(other)).empty()) << other;
}

TEST(CookieJarTest, IsBounded) {
  CookieJar jar;
  for (std::size_t i = 0; i < 2 * kMaxCookies; ++i) jar.keep(kHome, setting({"c" + std::to_string(i) + "=x"}));
  const std::string line = jar.cookies_for(kHome).reveal();
  EXPECT_EQ(static_cast<std::size_t>(std::count(line.begin(), line.end(), '=')), kMaxCookies);
  CookieJar other;
  other.keep(kHome, setting({"large=" + std::string(kMaxCookieBytes, 'x'), "fits=" + std::string(100, 'x')}));
  EXPECT_EQ(other.cookies_for(kHome).reveal(), "fits=" + std::string(100, 'x'));
}

TEST(CookieJarTest, LeavesOutWhatIsNoCookie) {
  CookieJar jar;
  jar.keep(kHome, setting({"", "novalue", "=x", "a b=1", "a=\x01", "a=\xc3\xa4", "{a}=1", ";a=1"}));
  EXPECT_TRUE(jar.cookies_for(kHome).empty());
}

class V1SessionTest : public RegistryTest {
 protected:
  V1Session session(const Url& home, Scheme scheme = Scheme::kUndecided) { return session(http, home, scheme); }
  V1Session session(HttpClient& client, const Url& home, Scheme scheme = Scheme::kUndecided) {
    return V1Session(client, options, {.url = home, .scheme = scheme}, context, logger);
  }
  Url home_of(const tests::FakeRegistry& server) { return parse_url("https://" + server.host() + "/v1/"); }
  V1Answer get(V1Session& session, const std::string& path, const base::Secret& authorization = {}) {
    return session.get(session.url(path), authorization, V1Token::kNone, {});
  }
  void serve(const std::string& path, const std::string& body, tests::Headers headers = {}) {
    registry.add_fault({.path = path, .times = -1, .status = 200, .headers = std::move(headers), .body = body});
  }
  void redirect(const std::string& path, const std::string& location, int status = 302) {
    registry.add_fault({.path = path, .times = -1, .status = status, .headers = {{"Location", location}}});
  }

  const base::Secret secret{"Token canary"};
  OperationContext context{password_auth("alice", "wonderland"), "lighterd/test", {{"X-Meta-Client", "meta"}}};
};

TEST_F(V1SessionTest, AsksAsDockerDoes) {
  serve("/v1/x", "body");
  V1Session asking = session(home_of(registry));
  const V1Answer answer = asking.get(asking.url("x", "q=1"), secret, V1Token::kAskFor, {});
  EXPECT_EQ(answer.response.body, "body");
  EXPECT_EQ(answer.url.to_string(), registry.url() + "/v1/x?q=1");
  ASSERT_EQ(registry.requests().size(), 2U) << "one to settle the scheme";
  const auto request = registry.requests().at(1);
  EXPECT_EQ(request.query, "q=1");
  EXPECT_EQ(request.header("User-Agent"), "lighterd/test");
  EXPECT_EQ(request.header("X-Docker-Token"), "true");
  EXPECT_EQ(request.header("X-Meta-Client"), "meta");
  EXPECT_EQ(request.header("Authorization"), "Token canary");
  get(asking, "x");
  EXPECT_EQ(registry.requests().at(2).header("X-Docker-Token"), "");
}

TEST_F(V1SessionTest, NothingSecretGoesOutBeforeTheSchemeIsSettled) {
  options.insecure_registries = {"reg.example"};
  for (const bool speaks_tls : {true, false}) {
    ScriptedHttp scripted([&](const HttpRequest& request) -> HttpResponse {
      if (speaks_tls || !request.url.starts_with("https:")) return respond(200, {{"Set-Cookie", "sid=1"}});
      throw TransportError(TransportFailure::kTls, ErrorCode::kUnavailable, "tls");
    });
    V1Session asking = session(scripted, kHome);
    get(asking, "a", secret);
    get(asking, "b", secret);
    const std::string tls = "GET https://reg.example/v1/";
    const std::string plain = "GET http://reg.example/v1/";
    EXPECT_EQ(scripted.urls(), speaks_tls ? (std::vector{tls + "a", tls + "a", tls + "b"})
                                          : (std::vector{tls + "a", plain + "a", plain + "a", plain + "b"}));
    const std::size_t settling = speaks_tls ? 1 : 2;
    for (std::size_t i = 0; i < scripted.requests.size(); ++i)
      EXPECT_EQ(scripted.requests[i].authorization.reveal(), i < settling ? "" : "Token canary") << i;
  }
}

TEST_F(V1SessionTest, FallsBackToPlainHttpForGood) {
  V1Session asking = session(home_of(registry));
  EXPECT_EQ(asking.home().to_string(), "https://" + registry.host() + "/v1/");
  EXPECT_EQ(get(asking, "a").response.status, 404);
  EXPECT_EQ(asking.home().to_string(), registry.url() + "/v1/");
  EXPECT_EQ(get(asking, "b").response.status, 404);
  EXPECT_EQ(registry.tls_attempts(), 1);
}

TEST_F(V1SessionTest, ASchemeThatWasNamedIsKept) {
  V1Session asking = session(home_of(registry), Scheme::kHttps);
  EXPECT_EQ(error_of<TransportError>([&] { get(asking, "a"); }).kind(), TransportFailure::kTls);
  EXPECT_TRUE(registry.requests().empty());
}

TEST_F(V1SessionTest, OnlyInsecureHostsFallBack) {
  ScriptedHttp tls([](const HttpRequest&) -> HttpResponse {
    throw TransportError(TransportFailure::kTls, ErrorCode::kUnavailable, "tls");
  });
  V1Session secure = session(tls, kHome);
  EXPECT_EQ(error_of<TransportError>([&] { get(secure, "a"); }).text(), "tls");
  EXPECT_EQ(tls.urls(), std::vector<std::string>{"GET https://reg.example/v1/a"});
  EXPECT_EQ(tls.requests[0].tls->verification, TlsVerification::kRequired);
}

TEST_F(V1SessionTest, SaysWhyBothAttemptsFailed) {
  options.insecure_registries = {"reg.example"};
  ScriptedHttp refused([](const HttpRequest& request) -> HttpResponse {
    throw TransportError(TransportFailure::kConnect, ErrorCode::kUnavailable, request.url.substr(0, 5));
  });
  V1Session asking = session(refused, kHome);
  const auto error = error_of<TransportError>([&] { get(asking, "a"); });
  EXPECT_EQ(error.text(), "HTTPS attempt: https. HTTP attempt: http:");
  EXPECT_EQ(error.kind(), TransportFailure::kConnect);
  EXPECT_EQ(refused.urls(), (std::vector<std::string>{"GET https://reg.example/v1/a", "GET http://reg.example/v1/a"}));
  EXPECT_EQ(asking.home().to_string(), kHome.to_string()) << "nobody has answered";
}

TEST_F(V1SessionTest, WhoeverAnsweredOverTlsIsNotAskedWithoutIt) {
  options.insecure_registries = {"reg.example"};
  bool is_up = true;
  ScriptedHttp once([&](const HttpRequest&) -> HttpResponse {
    if (std::exchange(is_up, false)) return respond(200);
    throw TransportError(TransportFailure::kTls, ErrorCode::kUnavailable, "tls");
  });
  V1Session asking = session(once, kHome);
  get(asking, "a");
  EXPECT_EQ(code_of([&] { get(asking, "b"); }), ErrorCode::kUnavailable);
  EXPECT_EQ(once.urls(), (std::vector<std::string>{"GET https://reg.example/v1/a", "GET https://reg.example/v1/b"}));
}

TEST_F(V1SessionTest, FollowsRedirects) {
  for (const int status : {301, 302, 303, 307, 308}) {
    registry.clear_faults();
    redirect("/v1/from", "/elsewhere/to?x=1", status);
    serve("/elsewhere/to", "there");
    V1Session asking = session(home_of(registry));
    const V1Answer answer = get(asking, "from");
    EXPECT_EQ(answer.response.body, "there") << status;
    EXPECT_EQ(answer.url.to_string(), registry.url() + "/elsewhere/to?x=1");
  }
  registry.clear_faults();
  redirect("/v1/loop", "/v1/loop");
  registry.clear_requests();
  V1Session asking = session(home_of(registry));
  EXPECT_EQ(code_of([&] { get(asking, "loop"); }), ErrorCode::kUnavailable);
  EXPECT_EQ(registry.requests().size(), 6U);
}

TEST_F(V1SessionTest, ARedirectElsewhereTakesNothingAlong) {
  tests::FakeRegistry other;
  serve("/v1/login", "", {{"Set-Cookie", "sid=canary"}});
  redirect("/v1/away", other.url() + "/v1/there");
  redirect("/v1/here", "/v1/stay");
  V1Session asking = session(home_of(registry));
  for (const char* path : {"login", "away", "here"}) get(asking, path, secret);
  const auto away = other.requests().at(0);
  EXPECT_EQ(away.path, "/v1/there");
  for (const char* name : {"Authorization", "Cookie", "X-Meta-Client"}) EXPECT_EQ(away.header(name), "") << name;
  const auto stayed = registry.requests("GET", "/v1/stay").at(0);
  EXPECT_EQ(stayed.header("Authorization"), "Token canary");
  EXPECT_EQ(stayed.header("Cookie"), "sid=canary");
}

TEST_F(V1SessionTest, RemembersCookiesOfEachServerOnTheWay) {
  tests::FakeRegistry other;
  registry.add_fault(
      {.path = "/v1/away",
       .times = -1,
       .status = 302,
       .headers = {{"Location", other.url() + "/v1/there"}, {"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2; Secure"}}});
  other.add_fault({.path = "/v1/there", .times = -1, .status = 200, .headers = {{"Set-Cookie", "c=3"}}});
  V1Session asking = session(home_of(registry));
  get(asking, "away");
  get(asking, "away");
  EXPECT_EQ(registry.requests().at(0).header("Cookie"), "");
  EXPECT_EQ(registry.requests().at(1).header("Cookie"), "a=1; b=2");
  EXPECT_EQ(other.requests().at(0).header("Cookie"), "");
  EXPECT_EQ(other.requests().at(1).header("Cookie"), "c=3");
}

TEST_F(V1SessionTest, RefusesRedirectsInside) {
  for (const char* target : {"http://10.0.0.1/v1/x", "http://169.254.169.254/latest/meta-data", "http://[fd00::1]/x"}) {
    registry.clear_faults();
    redirect("/v1/from", target);
    V1Session asking = session(home_of(registry));
    EXPECT_EQ(code_of([&] { get(asking, "from"); }), ErrorCode::kPermissionDenied) << target;
  }
  std::string location;
  ScriptedHttp scripted([&](const HttpRequest&) { return respond(302, {{"Location", location}}); });
  for (const char* target :
       {"http://reg2.example/", "https://127.0.0.1/", "https://localhost:5000/", "https://10.1.2.3/"}) {
    location = target;
    V1Session asking = session(scripted, kHome);
    EXPECT_EQ(code_of([&] { get(asking, "from"); }), ErrorCode::kPermissionDenied) << target;
  }
  for (const HttpRequest& request : scripted.requests) EXPECT_EQ(request.url, "https://reg.example/v1/from");
}

// A name may lead anywhere: what another server named must not lead further inside than that server is.
TEST_F(V1SessionTest, BoundsWhereNamesMayLead) {
  std::optional<IpAddress> peer;
  ScriptedHttp scripted([&](const HttpRequest& request) {
    HttpResponse response = respond(200);
    if (request.url.starts_with(kHome.to_string())) response = respond(302, {{"Location", "https://cdn.example/x"}});
    response.peer = peer;
    return response;
  });
  V1Session asking = session(scripted, kHome);
  get(asking, "a");
  EXPECT_EQ(scripted.requests.at(0).reach, AddressClass::kSpecial);
  EXPECT_EQ(scripted.requests.at(1).reach, AddressClass::kPublic);
  peer = find_ip_address("10.0.0.1");
  V1Session inside = session(scripted, kHome);
  get(inside, "a");
  EXPECT_EQ(scripted.requests.at(3).reach, AddressClass::kPrivate);
}

TEST_F(V1SessionTest, ClientsCredentialsAreForTheServerThatTheyWereGivenFor) {
  const std::string basic = "Basic YWxpY2U6d29uZGVybGFuZA==";
  const auto authorization = [&](const std::string& home) {
    return session(parse_url(home)).client_authorization().reveal();
  };
  EXPECT_EQ(authorization("https://reg.example/v1/"), basic);
  EXPECT_EQ(authorization("http://reg.example/v1/"), "") << "plain http";
  EXPECT_EQ(authorization("http://127.0.0.1:5000/v1/"), basic) << "insecure";
  context.auth.server_address = "https://index.docker.io/v1/";
  EXPECT_EQ(authorization("https://reg.example/v1/"), "");
  EXPECT_EQ(authorization("https://index.docker.io/v1/"), basic);
  context.auth.password = base::Secret();
  EXPECT_EQ(authorization("https://index.docker.io/v1/"), "");
}

TEST_F(V1SessionTest, BodiesAreBounded) {
  registry.add_fault({.path = "/v1/no", .status = 404, .body = std::string(1000, 'x'), .endless_body = true});
  registry.add_fault({.path = "/v1/yes", .status = 200, .body = std::string(1000, 'x'), .endless_body = true});
  V1Session asking = session(home_of(registry));
  const V1Answer refusal = get(asking, "no");
  EXPECT_EQ(refusal.response.status, 404);
  EXPECT_EQ(refusal.response.body.size(), kMaxRefusalBytes);
  EXPECT_EQ(code_of([&] { get(asking, "yes"); }), ErrorCode::kDataLoss);
}

TEST_F(V1SessionTest, AStopEndsIt) {
  registry.add_fault({.path = "/v1/stall", .status = 200, .stall_before_head = true});
  std::stop_source stop;
  const std::jthread stopper([&] {
    EXPECT_TRUE(registry.wait_for_requests(1, "GET", "/v1/stall"));
    stop.request_stop();
  });
  V1Session asking = session(home_of(registry));
  EXPECT_EQ(code_of([&] { asking.get(asking.url("stall"), {}, V1Token::kNone, stop.get_token()); }),
            ErrorCode::kCancelled);
}

}  // namespace
}  // namespace lighterd::distribution
