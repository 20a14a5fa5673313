// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/encoding.hpp"
#include "distribution/login.hpp"
#include "tests/unit/distribution/registry_fixture.hpp"

namespace lighterd::distribution {
namespace {

using base::ErrorCode;
using namespace std::chrono_literals;

class RegistryAuth : public RegistryTest {
 protected:
  void SetUp() override {
    registry.add_manifest(repository, "1", kManifestType, "{}");
    options.fresh_token_pause = 1ms;
  }
  // As many of those that carry a token.
  void refuse_heads(int times, const std::string& error) {
    const std::string challenge = "Bearer realm=\"" + registry.url() + "/token\",service=\"fake\"" +
                                  (error.empty() ? "" : ",error=\"" + error + "\"");
    registry.add_fault({.method = "HEAD",
                        .path = "/v2/*",
                        .skip = 1,
                        .times = times,
                        .status = 401,
                        .headers = {{"WWW-Authenticate", challenge}}});
  }
  std::string head_url() const { return "Head \"" + registry.url() + "/v2/team/app/manifests/1\""; }
};

TEST_F(RegistryAuth, BasicAnswersTheChallengeAndIsKept) {
  registry.require_basic("u", "p");
  auto puller = client(registry, Access::kPull, password_auth("u", "p"));
  puller.resolve("1", {});
  puller.resolve("1", {});
  EXPECT_EQ(registry.requests().size(), 3U);
  EXPECT_EQ(registry.requests()[0].header("authorization"), "");
}

TEST_F(RegistryAuth, BasicWithoutCredentials) {
  registry.require_basic("u", "p");
  const auto error = error_of([&] { client(registry).resolve("1", {}); });
  EXPECT_EQ(error.text(), head_url() + ": no basic auth credentials");
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
}

TEST_F(RegistryAuth, BasicRefused) {
  registry.require_basic("u", "p");
  const auto error =
      error_of<RegistryError>([&] { client(registry, Access::kPull, password_auth("u", "wrong")).resolve("1", {}); });
  EXPECT_EQ(error.code(), ErrorCode::kUnauthenticated);
  EXPECT_EQ(error.registry_code(), "UNAUTHORIZED");
  EXPECT_EQ(error.text().find("wrong"), std::string::npos);
}

TEST_F(RegistryAuth, IdentityTokenDoesNotHelpOnABasicRegistry) {
  registry.require_basic("u", "p");
  AuthConfig auth;
  auth.identity_token = base::Secret("identity");
  EXPECT_NE(error_of([&] { client(registry, Access::kPull, auth).resolve("1", {}); })
                .text()
                .find("no basic auth credentials"),
            std::string::npos);
}

TEST_F(RegistryAuth, AnonymousToken) {
  registry.require_bearer("", "");
  auto puller = client(registry);
  puller.resolve("1", {});
  puller.resolve("1", {});
  const auto tokens = registry.requests("GET", "/token");
  ASSERT_EQ(tokens.size(), 1U);
  EXPECT_EQ(tokens[0].header("authorization"), "");
  EXPECT_EQ(tokens[0].query, "service=fake&scope=repository%3Ateam%2Fapp%3Apull");
  EXPECT_EQ(tokens[0].header("x-meta-client"), "");
  EXPECT_EQ(registry.count("HEAD", "*"), 3U);
}

TEST_F(RegistryAuth, PasswordToken) {
  registry.require_bearer("u", "p");
  client(registry, Access::kPull, password_auth("u", "p")).resolve("1", {});
  const auto tokens = registry.requests("GET", "/token");
  ASSERT_EQ(tokens.size(), 1U);
  EXPECT_EQ(tokens[0].header("authorization"), "Basic " + base::base64_encode("u:p"));
  EXPECT_NE(tokens[0].query.find("account=u&client_id=lighterd"), std::string::npos);
}

TEST_F(RegistryAuth, PasswordRefusedByTheTokenServer) {
  registry.require_bearer("u", "p");
  const auto error =
      error_of<RegistryError>([&] { client(registry, Access::kPull, password_auth("u", "x")).resolve("1", {}); });
  EXPECT_EQ(error.text(), head_url() + ": unauthorized: incorrect username or password");
  EXPECT_EQ(error.code(), ErrorCode::kUnauthenticated);
  EXPECT_EQ(registry.count("GET", "/token"), 1U);
}

TEST_F(RegistryAuth, PostsThePasswordOnlyWhereGetIsUnknown) {
  for (const int status : {404, 405}) {
    registry.clear_requests();
    registry.require_bearer("u", "p&=");
    registry.add_fault({.method = "GET", .path = "/token", .status = status});
    client(registry, Access::kPull, password_auth("u", "p&=")).resolve("1", {});
    const auto posts = registry.requests("POST", "/token");
    ASSERT_EQ(posts.size(), 1U);
    EXPECT_NE(posts[0].body.find("grant_type=password&username=u&password=p%26%3D"), std::string::npos)
        << posts[0].body;
    EXPECT_EQ(posts[0].header("content-type"), "application/x-www-form-urlencoded");
  }
}

TEST_F(RegistryAuth, IdentityTokenIsARefreshToken) {
  registry.require_bearer("u", "p");
  registry.set_identity_token("identity");
  AuthConfig auth;
  auth.identity_token = base::Secret("identity");
  client(registry, Access::kPull, auth).resolve("1", {});
  const auto posts = registry.requests("POST", "/token");
  ASSERT_EQ(posts.size(), 1U);
  EXPECT_EQ(posts[0].body,
            "client_id=lighterd&service=fake&scope=repository%3Ateam%2Fapp%3Apull&grant_type=refresh_token&refresh_"
            "token=identity");
  EXPECT_EQ(registry.count("GET", "/token"), 0U);
}

TEST_F(RegistryAuth, RegistryTokenIsSentAsItIs) {
  registry.require_bearer("u", "p");
  AuthConfig auth;
  auth.registry_token = base::Secret("verbatim");
  EXPECT_THROW(client(registry, Access::kPull, auth).resolve("1", {}), RegistryError);
  EXPECT_EQ(registry.count("", "/token"), 0U);
  const auto heads = registry.requests("HEAD");
  // Nothing before it is known that the registry speaks http.
  ASSERT_EQ(heads.size(), 2U);
  EXPECT_EQ(heads[0].header("authorization"), "");
  EXPECT_EQ(heads[1].header("authorization"), "Bearer verbatim");
}

TEST_F(RegistryAuth, CredentialsOfAnotherRegistryAreNotUsed) {
  registry.require_basic("u", "p");
  AuthConfig auth = password_auth("u", "p");
  auth.server_address = "https://index.docker.io/v1/";
  EXPECT_THROW(client(registry, Access::kPull, auth).resolve("1", {}), RegistryError);
  for (const auto& request : registry.requests()) EXPECT_EQ(request.header("authorization"), "");
  auth.server_address = "http://" + registry.host() + "/v2/";
  EXPECT_NO_THROW(client(registry, Access::kPull, auth).resolve("1", {}));
}

TEST_F(RegistryAuth, ParallelRequestsShareOneToken) {
  registry.require_bearer("u", "p");
  auto puller = client(registry, Access::kPull, password_auth("u", "p"));
  std::vector<std::future<oci::Descriptor>> results;
  for (int i = 0; i < 10; ++i) {
    results.push_back(std::async(std::launch::async, [&] { return puller.resolve("1", {}); }));
  }
  for (auto& result : results) EXPECT_EQ(result.get().size_bytes, 2);
  EXPECT_EQ(registry.count("GET", "/token"), 1U);
}

TEST_F(RegistryAuth, CancellationOfOneIsNobodyElses) {
  registry.require_bearer("u", "p");
  registry.add_fault({.path = "/token", .stall_before_head = true});
  auto puller = client(registry, Access::kPull, password_auth("u", "p"));
  std::stop_source first;
  auto leader =
      std::async(std::launch::async, [&] { return error_of([&] { puller.resolve("1", first.get_token()); }).code(); });
  ASSERT_TRUE(registry.wait_for_requests(1, "GET", "/token"));
  std::vector<std::future<oci::Descriptor>> waiters;
  for (int i = 0; i < 9; ++i) {
    waiters.push_back(std::async(std::launch::async, [&] { return puller.resolve("1", {}); }));
  }
  first.request_stop();
  EXPECT_EQ(leader.get(), ErrorCode::kCancelled);
  for (auto& waiter : waiters) EXPECT_EQ(waiter.get().size_bytes, 2);
  EXPECT_EQ(registry.count("GET", "/token"), 2U);
}

TEST_F(RegistryAuth, FailuresAreNotRemembered) {
  registry.require_bearer("u", "p");
  registry.add_fault({.path = "/token", .status = 503});
  auto puller = client(registry, Access::kPull, password_auth("u", "p"));
  EXPECT_THROW(puller.resolve("1", {}), base::Error);
  EXPECT_NO_THROW(puller.resolve("1", {}));
}

TEST_F(RegistryAuth, TheTriesOfTheTokenAreNotTheRequests) {
  options.retry.max_attempts = 4;
  registry.add_manifest(repository, "1", kManifestType, "{}");
  registry.require_bearer("", "");
  registry.add_fault({.path = "/token", .times = 3, .status = 503});
  registry.add_fault({.method = "HEAD", .path = "*/manifests/*", .skip = 4, .times = 3, .drop_connection = true});
  EXPECT_EQ(client(registry).resolve("1", {}).size_bytes, 2);
  EXPECT_EQ(registry.count("GET", "/token"), 4U);
}

TEST_F(RegistryAuth, ATokenThatWasCutIsAskedForOnceMore) {
  options.retry.max_attempts = 4;
  registry.add_manifest(repository, "1", kManifestType, "{}");
  registry.require_bearer("", "");
  registry.add_fault({.path = "/token", .body = R"({"token":"abc)"});
  EXPECT_EQ(client(registry).resolve("1", {}).size_bytes, 2);
  EXPECT_EQ(registry.count("GET", "/token"), 2U);
}

TEST_F(RegistryAuth, ATokenServerThatStallsIsGivenUp) {
  options.stall_timeout = std::chrono::milliseconds(100);
  registry.add_manifest(repository, "1", kManifestType, "{}");
  registry.require_bearer("", "");
  registry.add_fault({.path = "/token", .stall_before_head = true});
  registry.add_fault({.path = "/token", .chunk_bytes = 1, .chunk_pause = std::chrono::milliseconds(50)});
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(error_of([&] { client(registry).resolve("1", {}); }).code(), ErrorCode::kDeadlineExceeded);
}

TEST_F(RegistryAuth, ATokenServerThatIsNotThereSaysNothingOfTheImage) {
  registry.require_bearer("", "");
  registry.add_fault({.path = "/token", .times = -1, .status = 404});
  const auto error = error_of([&] { client(registry).resolve("1", {}); });
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
}

TEST_F(RegistryAuth, RevokedTokenIsFetchedAnewOnce) {
  registry.require_bearer("u", "p");
  auto puller = client(registry, Access::kPull, password_auth("u", "p"));
  puller.resolve("1", {});
  registry.revoke_tokens();
  EXPECT_NO_THROW(puller.resolve("1", {}));
  EXPECT_EQ(registry.count("GET", "/token"), 2U);
}

TEST_F(RegistryAuth, TokenThatIsNeverAcceptedEnds) {
  registry.require_bearer("u", "p");
  registry.add_fault(
      {.method = "",
       .path = "/v2/*",
       .times = -1,
       .status = 401,
       .headers = {{"WWW-Authenticate", "Bearer realm=\"" + registry.url() + "/token\",error=\"invalid_token\""}}});
  EXPECT_THROW(client(registry, Access::kPull, password_auth("u", "p")).resolve("1", {}), RegistryError);
  EXPECT_LE(registry.count("GET", "/token"), 3U);
}

TEST_F(RegistryAuth, AFreshTokenIsTriedAgainBeforeItIsRenewed) {
  registry.require_bearer("u", "p");
  refuse_heads(2, "invalid_token");
  EXPECT_NO_THROW(client(registry, Access::kPull, password_auth("u", "p")).resolve("1", {}));
  EXPECT_EQ(registry.count("GET", "/token"), 1U);
  EXPECT_EQ(registry.count("HEAD", "*"), 4U);
}

TEST_F(RegistryAuth, ThePauseForAFreshTokenEndsWithTheOperation) {
  registry.require_bearer("u", "p");
  refuse_heads(-1, "invalid_token");
  options.fresh_token_pause = 1h;
  std::stop_source stop;
  auto resolving = std::async(std::launch::async, [&] {
    auto puller = client(registry, Access::kPull, password_auth("u", "p"));
    return error_of([&] { puller.resolve("1", stop.get_token()); }).code();
  });
  ASSERT_TRUE(registry.wait_for_requests(2, "HEAD", "*"));
  stop.request_stop();
  EXPECT_EQ(resolving.get(), ErrorCode::kCancelled);
}

TEST_F(RegistryAuth, ARefusalThatNamesNoInvalidTokenIsFinalAtOnce) {
  options.fresh_token_pause = 1h;
  registry.require_bearer("u", "p");
  for (const std::string error : {"", "insufficient_scope"}) {
    registry.clear_requests();
    registry.clear_faults();
    registry.add_fault({.method = "GET", .path = "/v2/*", .times = -1, .status = 401, .body = "no"});
    refuse_heads(-1, error);
    auto puller = client(registry, Access::kPull, password_auth("u", "p"));
    EXPECT_THROW(puller.resolve("1", {}), RegistryError);
    EXPECT_EQ(registry.count("GET", "/token"), 1U);
  }
}

TEST_F(RegistryAuth, ATokenThatWasLetInIsRenewedWithoutPause) {
  options.fresh_token_pause = 1h;
  registry.require_bearer("u", "p");
  auto puller = client(registry, Access::kPull, password_auth("u", "p"));
  // Also by an answer that is no success.
  EXPECT_FALSE(puller.has_blob(oci::digest_of(base::as_bytes("not there")), {}));
  registry.revoke_tokens();
  EXPECT_NO_THROW(puller.resolve("1", {}));
  EXPECT_EQ(registry.count("GET", "/token"), 2U);
}

TEST_F(RegistryAuth, TriesATokenServerInTroubleAgain) {
  options.retry = {.max_attempts = 3, .first_delay = 1ms};
  registry.require_bearer("u", "p");
  registry.add_fault({.path = "/token", .status = 503});
  registry.add_fault({.path = "/token", .drop_connection = true});
  EXPECT_NO_THROW(client(registry, Access::kPull, password_auth("u", "p")).resolve("1", {}));
  EXPECT_EQ(registry.count("GET", "/token"), 3U);
}

class OddChallenge : public RegistryTest, public testing::WithParamInterface<std::vector<std::string>> {};
TEST_P(OddChallenge, IsAnswered) {
  registry.add_manifest(repository, "1", kManifestType, "{}");
  registry.require_bearer("u", "p");
  std::vector<std::string> lines = GetParam();
  for (std::string& line : lines) {
    if (const std::size_t at = line.find("REALM"); at != std::string::npos)
      line.replace(at, 5, registry.url() + "/token");
  }
  registry.set_challenges(lines);
  EXPECT_NO_THROW(client(registry, Access::kPull, password_auth("u", "p")).resolve("1", {}));
}
INSTANTIATE_TEST_SUITE_P(
    Table, OddChallenge,
    testing::Values(std::vector<std::string>{R"(Bearer realm="REALM",service="fake")"},
                    std::vector<std::string>{"bearer realm=REALM,service=fake"},
                    std::vector<std::string>{"bearer realm=REALM,scope=repository:team/app:pull,push,service=fake"},
                    std::vector<std::string>{R"(BEARER Realm = "REALM" , Service="fake",scope="")"},
                    std::vector<std::string>{R"(Negotiate, Basic realm="x", Bearer realm="REALM",service="fake")"},
                    std::vector<std::string>{"Negotiate", R"(Basic realm="x")", R"(Bearer realm="REALM")"},
                    std::vector<std::string>{R"(Bearer realm="", Bearer realm="REALM",service="")"}));

TEST_F(RegistryAuth, FetchesTheScopeThatIsNamed) {
  registry.require_bearer("u", "p");
  registry.add_fault(
      {.method = "HEAD",
       .skip = 1,
       .status = 401,
       .headers = {
           {"WWW-Authenticate",
            "Bearer realm=\"" + registry.url() +
                "/token\",service=\"fake\",scope=\"repository:more/than:pull\",error=\"insufficient_scope\""}}});
  client(registry, Access::kPull, password_auth("u", "p")).resolve("1", {});
  const auto tokens = registry.requests("GET", "/token");
  ASSERT_EQ(tokens.size(), 2U);
  EXPECT_NE(tokens[1].query.find("scope=repository%3Ateam%2Fapp%3Apull&scope=repository%3Amore%2Fthan%3Apull"),
            std::string::npos)
      << tokens[1].query;
}

TEST_F(RegistryAuth, InsufficientScopeIsTold) {
  registry.require_bearer("", "");
  registry.deny_repository(repository);
  const auto error = error_of<RegistryError>([&] { client(registry).resolve("1", {}); });
  EXPECT_TRUE(error.insufficient_scope());
  EXPECT_EQ(error.status(), 401);
  EXPECT_EQ(error.text(), "denied: requested access to the resource is denied");
}

TEST_F(RegistryAuth, UnauthorizedWithoutAChallenge) {
  registry.add_fault({.times = -1, .status = 401, .body = "members only"});
  const auto error = error_of<RegistryError>([&] { client(registry).resolve("1", {}); });
  EXPECT_EQ(error.text(), "unauthorized: members only");
}

TEST_F(RegistryAuth, TokenServerOnAnotherPortKeepsTheRealmsQuery) {
  tests::FakeRegistry tokens;
  tokens.require_bearer("u", "p");
  registry.require_bearer("u", "p");
  registry.set_realm(tokens.url() + "/token?tenant=a%2Fb", tokens);
  client(registry, Access::kPull, password_auth("u", "p")).resolve("1", {});
  ASSERT_EQ(tokens.requests().size(), 1U);
  EXPECT_TRUE(tokens.requests()[0].query.starts_with("tenant=a%2Fb&service=fake&")) << tokens.requests()[0].query;
}

TEST_F(RegistryAuth, RedirectOfTheTokenServerDropsThePassword) {
  tests::FakeRegistry elsewhere;
  registry.require_bearer("u", "p");
  registry.add_fault(
      {.path = "/token", .times = -1, .status = 302, .headers = {{"Location", elsewhere.url() + "/token"}}});
  EXPECT_THROW(client(registry, Access::kPull, password_auth("u", "p")).resolve("1", {}), base::Error);
  EXPECT_FALSE(elsewhere.requests().empty());
  for (const auto& request : elsewhere.requests()) EXPECT_EQ(request.header("authorization"), "");
}

class BadRealm : public RegistryTest, public testing::WithParamInterface<std::string> {};
TEST_P(BadRealm, IsNotContacted) {
  registry.require_bearer("u", "p");
  registry.set_challenges({"Bearer realm=\"" + GetParam() + "\",service=\"fake\""});
  const auto error = error_of([&] { client(registry, Access::kPull, password_auth("u", "p")).resolve("1", {}); });
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied) << error.text();
  EXPECT_EQ(registry.count("", "/token"), 0U);
}
INSTANTIATE_TEST_SUITE_P(Table, BadRealm,
                         testing::Values("file:///etc/passwd", "gopher://h/", "http://169.254.169.254/token",
                                         "https://0.0.0.0/token", "http://10.0.0.1/token", "http://u:p@127.0.0.1/token",
                                         "/token", "https://h/" + std::string(9000, 'x')));

struct TokenBody {
  const char* name;
  std::string body;
  bool good;
};
class TokenBodies : public RegistryTest, public testing::WithParamInterface<TokenBody> {};
TEST_P(TokenBodies, AreReadStrictly) {
  registry.add_manifest(repository, "1", kManifestType, "{}");
  registry.set_challenges({"Bearer realm=\"" + registry.url() + "/token\""});
  registry.require_bearer("u", "p");
  registry.add_fault({.path = "/token", .times = -1, .status = 200, .body = GetParam().body});
  registry.add_fault({.method = "HEAD",
                      .skip = 1,
                      .status = 200,
                      .headers = {{"Docker-Content-Digest", "sha256:" + std::string(64, 'a')},
                                  {"Content-Type", "a/b"},
                                  {"Content-Length", "2"}}});
  const auto resolve = [&] { client(registry).resolve("1", {}); };
  if (GetParam().good) {
    EXPECT_NO_THROW(resolve());
    EXPECT_EQ(registry.requests("HEAD")[1].header("authorization"), "Bearer good");
  } else {
    EXPECT_THROW(resolve(), base::Error);
    EXPECT_EQ(registry.count("HEAD", "*"), 1U);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Table, TokenBodies,
    testing::Values(TokenBody{"token", R"({"token":"good"})", true},
                    TokenBody{"access_token", R"({"access_token":"good"})", true},
                    TokenBody{"both", R"({"token":"bad","access_token":"good","expires_in":1e300})", true},
                    TokenBody{"odd_life", R"({"token":"good","expires_in":"soon"})", true},
                    TokenBody{"empty", R"({"token":""})", false}, TokenBody{"none", "{}", false},
                    TokenBody{"list", "[]", false}, TokenBody{"no_json", "hello", false},
                    TokenBody{"injection", R"({"token":"a\r\nX: y"})", false},
                    TokenBody{"huge", "{\"token\":\"" + std::string(2'000'000, 'x') + "\"}", false}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_F(RegistryAuth, LoginTriesThemWhereEverybodyIsLetIn) {
  registry.require_bearer("u", "p");
  const std::string challenge = "bearer realm=" + registry.url() + "/token,service=fake";
  const auto login = [&](const std::string& user, const std::string& password) {
    registry.add_fault({.path = "/v2/", .status = 200, .headers = {{"WWW-Authenticate", challenge}}});
    check_login(http, options, registry.host(), {password_auth(user, password), "x", {}}, logger, {});
  };
  EXPECT_NO_THROW(login("u", "p"));
  EXPECT_EQ(error_of<RegistryError>([&] { login("u", "wrong"); }).code(), ErrorCode::kUnauthenticated);
  registry.clear_requests();
  EXPECT_NO_THROW(login("", ""));
  EXPECT_EQ(registry.requests().size(), 1U);
}

TEST_F(RegistryAuth, LoginTriesTheCredentials) {
  registry.require_bearer("u", "p");
  const auto login = [&](const std::string& password) {
    check_login(http, options, registry.host(), {password_auth("u", password), "x", {}}, logger, {});
  };
  EXPECT_NO_THROW(login("p"));
  const auto error = error_of<RegistryError>([&] { login("wrong"); });
  EXPECT_EQ(error.text(), "Get \"" + registry.url() + "/v2/\": unauthorized: incorrect username or password");
  EXPECT_EQ(error.code(), ErrorCode::kUnauthenticated);
  registry.require_basic("u", "p");
  EXPECT_NO_THROW(login("p"));
  const auto refused = error_of([&] { login("wrong"); });
  EXPECT_EQ(refused.code(), ErrorCode::kInternal);
  EXPECT_EQ(refused.text(), "login attempt to " + registry.url() + "/v2/ failed with status: 401 Unauthorized");
}

}  // namespace
}  // namespace lighterd::distribution
