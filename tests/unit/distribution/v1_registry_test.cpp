// SPDX-License-Identifier: Apache-2.0
#include "distribution/v1_registry.hpp"

#include <fstream>

#include "tests/support/error_code.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/distribution/registry_fixture.hpp"
#include "tests/unit/distribution/scripted_http.hpp"
#include "tests/unit/distribution/v1_content.hpp"

namespace lighterd::distribution {
namespace {

using base::ErrorCode;
using tests::code_of;
using Tags = std::map<std::string, std::string>;

using namespace v1;

class V1RegistryTest : public RegistryTest {
 protected:
  V1Registry connect(const std::string& path = "team/app") {
    return V1Registry(http, options, oci::parse_repository_name(registry.host() + "/" + path), context, logger);
  }
  void serve(const std::string& path, const std::string& body, tests::Headers headers = {}) {
    v1::serve(registry, path, body, std::move(headers));
  }
  void serve_repository(tests::Headers headers = {}) { v1::serve_repository(registry, std::move(headers)); }
  std::string name() const { return registry.host() + "/team/app"; }

  OperationContext context{{}, "lighterd/test", {{"X-Meta-Client", "meta"}}, {}};
};

TEST_F(V1RegistryTest, AsksWithATokenOfTheRepository) {
  serve_repository();
  serve_content(registry);
  V1Registry v1 = connect();
  EXPECT_EQ(v1.list_tags({}), (Tags{{"latest", kId}, {"1.0", kOtherId}}));
  const V1Image image = v1.get_image_by_tag("latest", TagChoice::kNamed, {});
  EXPECT_EQ(image.id, kId);
  EXPECT_EQ(image.json, kImageJson);
  EXPECT_EQ(v1.get_image(kId, {}).json, image.json);
  EXPECT_EQ(registry.count("GET", kImages), 1U);
  const auto requests = registry.requests();
  ASSERT_EQ(requests.size(), 5U);
  EXPECT_EQ(requests[0].header("X-Docker-Token"), "true");
  EXPECT_EQ(requests[0].header("Authorization"), "");
  for (std::size_t i = 1; i < requests.size(); ++i) {
    EXPECT_EQ(requests[i].header("Authorization"), "Token " + kToken) << requests[i].path;
    EXPECT_EQ(requests[i].header("X-Docker-Token"), "") << requests[i].path;
  }
}

TEST_F(V1RegistryTest, TheEndpointGetsTheToken) {
  tests::FakeRegistry endpoint;
  serve_content(endpoint);
  serve_repository({{"X-Docker-Endpoints", " " + endpoint.host() + " , never.example"}, {"Set-Cookie", "sid=1"}});
  context.auth = password_auth("alice", "wonderland");
  V1Registry v1 = connect();
  EXPECT_EQ(v1.get_image_by_tag("latest", TagChoice::kNamed, {}).id, kId);
  ASSERT_EQ(registry.requests().size(), 2U);
  EXPECT_EQ(registry.requests()[0].header("Authorization"), "") << "it settles the scheme";
  EXPECT_TRUE(registry.requests()[1].header("Authorization").starts_with("Basic "));
  ASSERT_EQ(endpoint.requests().size(), 2U);
  for (const auto& request : endpoint.requests()) {
    EXPECT_EQ(request.header("Authorization"), "Token " + kToken);
    EXPECT_EQ(request.header("Cookie"), "");
    EXPECT_EQ(request.header("X-Meta-Client"), "");
  }
}

TEST_F(V1RegistryTest, CookiesComeBack) {
  serve_repository({{"Set-Cookie", "sid=1; Path=/"}});
  serve_content(registry);
  connect().list_tags({});
  EXPECT_EQ(registry.requests().at(0).header("Cookie"), "");
  EXPECT_EQ(registry.requests().at(1).header("Cookie"), "sid=1");
}

// Without an endpoint the server that answered is it, wherever it was.
TEST_F(V1RegistryTest, ARedirectMovesTheRegistry) {
  tests::FakeRegistry other;
  registry.add_fault(
      {.path = kImages, .times = -1, .status = 301, .headers = {{"Location", other.url() + kImages + "?moved"}}});
  v1::serve(other, kImages, "[]", {{"X-Docker-Token", kToken}});
  serve_content(other);
  context.auth = password_auth("alice", "wonderland");
  EXPECT_EQ(connect().list_tags({}).size(), 2U);
  EXPECT_EQ(registry.requests().size(), 2U);
  EXPECT_EQ(other.requests().at(0).header("Authorization"), "");
  EXPECT_EQ(other.requests().at(1).path, kTags);
  EXPECT_EQ(other.requests().at(1).query, "");
  EXPECT_EQ(other.requests().at(1).header("Authorization"), "Token " + kToken);
}

TEST_F(V1RegistryTest, ATokenDoesNotFollowARedirect) {
  tests::FakeRegistry other;
  serve_repository();
  registry.add_fault({.path = kTags, .status = 302, .headers = {{"Location", other.url() + kTags}}});
  serve_content(other);
  EXPECT_EQ(connect().list_tags({}).size(), 2U);
  EXPECT_EQ(other.requests().at(0).header("Authorization"), "");
}

TEST_F(V1RegistryTest, WithoutATokenThePasswordIsSentToTheRegistryAlone) {
  context.auth = password_auth("alice", "wonderland");
  serve(kImages, "[]");
  serve_content(registry);
  connect().list_tags({});
  EXPECT_EQ(registry.requests().at(0).header("Authorization"), "") << "it settles the scheme";
  for (std::size_t i = 1; i < registry.requests().size(); ++i)
    EXPECT_EQ(registry.requests()[i].header("Authorization"), "Basic YWxpY2U6d29uZGVybGFuZA==");
  tests::FakeRegistry endpoint;
  serve_content(endpoint);
  registry.clear_faults();
  serve(kImages, "[]", {{"X-Docker-Endpoints", endpoint.host()}});
  connect().list_tags({});
  EXPECT_EQ(endpoint.requests().at(0).header("Authorization"), "");
}

TEST_F(V1RegistryTest, CredentialsOfTheDaemonAreForWhomTheClientSendsNone) {
  const tests::TempDir folder;
  options.auth_file = folder.path() / "auth.json";
  std::ofstream(options.auth_file) << R"({"auths":{")" << registry.host() << R"(":{"auth":"Ym9iOnNlc2FtZQ=="}}})";
  serve(kImages, "[]");
  serve_content(registry);
  connect().list_tags({});
  EXPECT_EQ(registry.requests().at(1).header("Authorization"), "Basic Ym9iOnNlc2FtZQ==");
  context.auth = password_auth("alice", "wonderland");
  registry.clear_requests();
  connect().list_tags({});
  EXPECT_EQ(registry.requests().at(1).header("Authorization"), "Basic YWxpY2U6d29uZGVybGFuZA==");
}

class V1HostsTomlTest : public V1RegistryTest {
 protected:
  V1HostsTomlTest() { options.certs_roots = {folder.path()}; }
  void write_hosts(const std::string& text) {
    std::filesystem::create_directories(folder.path() / "reg.example");
    std::ofstream(folder.path() / "reg.example" / "hosts.toml") << text;
  }
  void list_tags() {
    scripted.requests.clear();
    const auto asked = oci::parse_repository_name("reg.example/team/app");
    V1Registry(scripted, options, asked, context, logger).list_tags({});
    ASSERT_EQ(scripted.requests.size(), 2U);
  }
  static std::string header(const HttpRequest& request, std::string_view name) {
    HttpResponse headers;
    headers.headers = request.headers;
    const std::string* value = headers.find_header(name);
    return value == nullptr ? std::string() : *value;
  }
  const HttpRequest& index() const { return scripted.requests.at(0); }
  const HttpRequest& endpoint() const { return scripted.requests.at(1); }

  const tests::TempDir folder;
  ScriptedHttp scripted{[](const HttpRequest& request) {
    if (!request.url.ends_with("/images")) return respond(200, {}, "{}");
    return respond(200, {{"X-Docker-Token", "t"}, {"X-Docker-Endpoints", "reg-2.example"}}, "[]");
  }};
};

TEST_F(V1HostsTomlTest, WhatIsConfiguredForTheRegistryCounts) {
  write_hosts(R"(skip_verify = true
dial_timeout = "7s"
header = {Authorization = "Basic eA==", X-Key = "k", user-agent = "other"}
[host."https://mirror.example"]
)");
  list_tags();
  EXPECT_EQ(index().url, "https://reg.example" + kImages);
  EXPECT_EQ(index().tls->verification, TlsVerification::kOff);
  EXPECT_EQ(index().connect_timeout, std::chrono::seconds(7));
  EXPECT_EQ(index().authorization.reveal(), "Basic eA==");
  EXPECT_EQ(header(index(), "X-Key"), "k");
  EXPECT_EQ(header(index(), "User-Agent"), "other");
  EXPECT_EQ(endpoint().url, "https://reg-2.example" + kTags);
  EXPECT_EQ(endpoint().tls->verification, TlsVerification::kRequired);
  EXPECT_EQ(endpoint().authorization.reveal(), "Token t");
  EXPECT_EQ(header(endpoint(), "X-Key"), "");
  EXPECT_EQ(header(endpoint(), "User-Agent"), "lighterd/test");
  context.auth = password_auth("alice", "wonderland");
  list_tags();
  EXPECT_EQ(index().authorization.reveal(), "Basic YWxpY2U6d29uZGVybGFuZA==") << "the client's come first";
}

TEST_F(V1HostsTomlTest, WhatIsConfiguredForAnotherServerDoesNot) {
  write_hosts("server = 'https://upstream.example'\nskip_verify = true\nheader = {Authorization = 'Basic eA=='}\n");
  list_tags();
  EXPECT_EQ(index().url, "https://reg.example" + kImages);
  EXPECT_EQ(index().tls->verification, TlsVerification::kRequired);
  EXPECT_TRUE(index().authorization.empty());
}

TEST_F(V1RegistryTest, EndpointsThatMustNotBeAskedAreRefused) {
  for (const char* endpoint : {"10.0.0.1", "169.254.169.254", "[fd00::1]:5000", "plain.example", "0.0.0.0:1"}) {
    registry.clear_faults();
    serve_repository({{"X-Docker-Endpoints", endpoint}});
    EXPECT_EQ(code_of([&] { connect().list_tags({}); }), ErrorCode::kPermissionDenied) << endpoint;
  }
  for (const char* endpoint :
       {"user:pw@host.example", "https://host.example", "host.example/v2", "127.1", "a?b", "a#b"}) {
    registry.clear_faults();
    serve_repository({{"X-Docker-Endpoints", endpoint}});
    EXPECT_EQ(code_of([&] { connect().list_tags({}); }), ErrorCode::kInvalidArgument) << endpoint;
  }
  EXPECT_EQ(registry.count("GET", kTags), 0U);
}

TEST_F(V1RegistryTest, TheFirstEndpointThatMayBeAskedIsTaken) {
  serve_repository({{"X-Docker-Endpoints", "10.0.0.1"}, {"X-Docker-Endpoints", ", bad/host," + registry.host()}});
  serve_content(registry);
  EXPECT_EQ(connect().list_tags({}).size(), 2U);
}

TEST_F(V1RegistryTest, ARegistryOnTheInternetNamesNobodyInside) {
  std::string endpoint;
  ScriptedHttp scripted([&](const HttpRequest& request) {
    if (request.url.ends_with("/images"))
      return respond(200, {{"X-Docker-Token", "t"}, {"X-Docker-Endpoints", endpoint}}, "[]");
    return respond(200, {}, "{}");
  });
  const auto ask = [&] {
    V1Registry(scripted, options, oci::parse_repository_name("reg.example/team/app"), context, logger).list_tags({});
  };
  for (const char* inside : {"127.0.0.1:5000", "localhost", "[::1]", "192.168.0.1"}) {
    endpoint = inside;
    EXPECT_EQ(code_of(ask), ErrorCode::kPermissionDenied) << inside;
  }
  scripted.requests.clear();
  endpoint = "reg-2.example:8443";
  ask();
  EXPECT_EQ(scripted.urls(),
            (std::vector<std::string>{"GET https://reg.example" + kImages, "GET https://reg-2.example:8443" + kTags}));
  EXPECT_EQ(scripted.requests[1].authorization.reveal(), "Token t");
  EXPECT_EQ(scripted.requests[1].reach, AddressClass::kPublic);
}

TEST_F(V1RegistryTest, HubHasOneHost) {
  for (const char* text : {"docker.io/library/alpine", "docker.io/team/app"}) {
    ScriptedHttp hub([](const HttpRequest&) { return respond(200, {{"X-Docker-Token", "t"}}, "{}"); });
    const auto wanted = oci::parse_repository_name(text);
    V1Registry(hub, options, wanted, context, logger).list_tags({});
    const std::string path = "https://index.docker.io/v1/repositories/" + wanted.path();
    EXPECT_EQ(hub.urls(), (std::vector<std::string>{"GET " + path + "/images", "GET " + path + "/tags"}));
  }
  for (const char* alias : {"index.docker.io", "www.docker.io", "registry-1.docker.io"}) {
    ScriptedHttp hub([](const HttpRequest&) { return respond(404); });
    const auto wanted = oci::parse_reference(std::string(alias) + "/team/app").repository();
    V1Registry v1(hub, options, wanted, context, logger);
    EXPECT_THROW(v1.list_tags({}), RemoteError);
    EXPECT_EQ(hub.urls(), std::vector<std::string>{"GET https://index.docker.io" + kImages}) << alias;
  }
}

TEST_F(V1RegistryTest, WhatIsMissingIsNamed) {
  const auto error_of_tag = [&](const std::string& tag, TagChoice choice = TagChoice::kNamed) {
    return error_of<RemoteError>([&] { connect().get_image_by_tag(tag, choice, {}); });
  };
  RemoteError error = error_of<RemoteError>([&] { connect().list_tags({}); });
  EXPECT_EQ(error.missing(), Missing::kRepository);
  EXPECT_EQ(error.text(), "the repository " + name() + " was not found");
  EXPECT_EQ(error_of_tag("latest").missing(), Missing::kRepository);
  EXPECT_EQ(error_of<RemoteError>([&] { connect().get_image(kId, {}); }).missing(), Missing::kRepository);

  serve_repository();
  EXPECT_EQ(error_of<RemoteError>([&] { connect().list_tags({}); }).missing(), Missing::kRepository);

  serve(kTags, R"({"gone":")" + kId + R"("})");
  error = error_of_tag("2");
  EXPECT_EQ(error.missing(), Missing::kTag);
  EXPECT_EQ(error.text(), "the tag 2 has not been set on repository " + name());
  EXPECT_EQ(error_of_tag("latest", TagChoice::kDefault).text(),
            "the default tag latest has not been set on repository " + name());

  error = error_of_tag("gone");
  EXPECT_EQ(error.missing(), Missing::kImage);
  EXPECT_EQ(error.text(), "the image " + kId + " in repository " + name() + " with tag gone" +
                              " was not found and may have been deleted");
  error = error_of<RemoteError>([&] { connect().get_image(kId, {}); });
  EXPECT_EQ(error.text(), "the image " + kId + " in repository " + name() + " was not found and may have been deleted");
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
}

// Servers that have nothing below the list.
TEST_F(V1RegistryTest, ATagMayBeInTheListAlone) {
  serve_repository();
  serve(kTags, R"({"latest":")" + kId + R"("})");
  serve("/v1/images/" + kId + "/json", "{}");
  EXPECT_EQ(connect().get_image_by_tag("latest", TagChoice::kDefault, {}).id, kId);
  EXPECT_EQ(registry.count("GET", kTags + "/latest"), 1U);
}

TEST_F(V1RegistryTest, TagsAreAnObjectOrAnArray) {
  serve_repository();
  const std::vector<std::pair<std::string, Tags>> cases = {
      {"{}", {}},
      {"[]", {}},
      {R"([{"name":"latest","layer":"abcd1234"},{"name":"1","layer":"x","more":[]}])",
       {{"latest", "abcd1234"}, {"1", "x"}}},
      {R"({"ok":"1","../x":"2","-":"3","number":4,"none":null})", {{"ok", "1"}}},
      {R"([1,{"name":"a"},{"layer":"b"},{"name":2,"layer":"c"},{"name":"d","layer":5},{"name":"ok","layer":"6"}])",
       {{"ok", "6"}}}};
  for (const auto& [body, expected] : cases) {
    serve(kTags, body);
    EXPECT_EQ(connect().list_tags({}), expected) << body;
    registry.clear_faults();
    serve_repository();
  }
}

TEST_F(V1RegistryTest, DocumentsThatAreNoneAreRefused) {
  std::string many = "{";
  for (int i = 0; i < 100'001; ++i) many += (i > 0 ? ",\"t" : "\"t") + std::to_string(i) + "\":\"\"";
  for (const std::string& body : {std::string("x"), std::string("null"), std::string("\"x\""), std::string(),
                                  many + "}", std::string(100'000, '['), std::string(R"({"a":"1","a":"2"})")}) {
    registry.clear_faults();
    serve_repository();
    serve(kTags, body);
    EXPECT_EQ(code_of([&] { connect().list_tags({}); }), ErrorCode::kInvalidArgument) << body.substr(0, 40);
  }
  for (const char* body : {"{}", "[]", "1", "", "\"short\"", "\"../../../../token\""}) {
    registry.clear_faults();
    serve_repository();
    serve(kTags + "/latest", body);
    EXPECT_EQ(code_of([&] { connect().get_image_by_tag("latest", TagChoice::kNamed, {}); }),
              ErrorCode::kInvalidArgument)
        << body;
  }
  EXPECT_EQ(registry.count("GET", "/v1/images/*"), 0U);
  for (const char* body : {"[]", "\"x\"", "{", "null"}) {
    registry.clear_faults();
    serve_repository();
    serve("/v1/images/" + kId + "/json", body);
    EXPECT_EQ(code_of([&] { connect().get_image(kId, {}); }), ErrorCode::kInvalidArgument) << body;
  }
}

TEST_F(V1RegistryTest, NothingForeignGetsIntoAPath) {
  serve_repository();
  for (const std::string& id : {std::string(), std::string("abc"), kId + "a", std::string(64, 'A'),
                                std::string(64, 'g'), "../" + kId.substr(3), "sha256:" + kId, kId.substr(1) + "/"})
    EXPECT_EQ(code_of([&] { connect().get_image(id, {}); }), ErrorCode::kInvalidArgument) << id;
  for (const char* tag : {"", "..", ".", "a/b", "a b", "a%2fb", "a?b", "a#b", "a\r\nX-Injected: 1", "\xc3\xa4"})
    EXPECT_EQ(code_of([&] { connect().get_image_by_tag(tag, TagChoice::kNamed, {}); }), ErrorCode::kInvalidArgument)
        << tag;
  EXPECT_TRUE(registry.requests().empty());
}

TEST_F(V1RegistryTest, RefusalsKeepTheirMeaning) {
  const std::pair<int, ErrorCode> cases[] = {{401, ErrorCode::kUnauthenticated},
                                             {403, ErrorCode::kPermissionDenied},
                                             {429, ErrorCode::kResourceExhausted},
                                             {500, ErrorCode::kInternal},
                                             {204, ErrorCode::kInternal}};
  for (const auto& [status, code] : cases) {
    registry.clear_faults();
    registry.add_fault({.path = kImages, .times = -1, .status = status});
    const auto error = error_of<RegistryError>([&] { connect().list_tags({}); });
    EXPECT_EQ(error.code(), code) << status;
    EXPECT_EQ(error.status(), status);
  }
  registry.clear_faults();
  registry.add_fault({.path = kImages, .status = 403, .body = R"({"error":"no access to it"})"});
  EXPECT_EQ(error_of<RegistryError>([&] { connect().list_tags({}); }).text(), "denied: no access to it");
}

TEST_F(V1RegistryTest, WhatMayPassIsTriedAgain) {
  options.retry = {.max_attempts = 3, .first_delay = std::chrono::milliseconds(1)};
  registry.add_fault({.path = kImages, .times = 2, .status = 503});
  serve_repository();
  registry.add_fault({.path = kTags, .times = 2, .drop_connection = true});  // a connection that was kept, a new one
  serve_content(registry);
  std::atomic<int> waits = 0;
  context.on_retry = [&](const RetryNotice&) { ++waits; };
  EXPECT_EQ(connect().list_tags({}).size(), 2U);
  EXPECT_EQ(waits, 3);
}

TEST_F(V1RegistryTest, ARegistryThatIsNotThereIsNamed) {
  std::string gone;
  {
    const tests::FakeRegistry closed;
    gone = closed.host();
  }
  V1Registry v1(http, options, oci::parse_repository_name(gone + "/a"), context, logger);
  const auto error = error_of<RemoteError>([&] { v1.list_tags({}); });
  EXPECT_EQ(error.missing(), Missing::kRegistry);
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(error.text().starts_with("the registry \"https://" + gone + "\" could not be reached: Get "))
      << error.text();
  registry.add_fault({.path = kImages, .drop_connection = true});
  EXPECT_EQ(error_of<TransportError>([&] { connect().list_tags({}); }).kind(), TransportFailure::kBroken);
}

}  // namespace
}  // namespace lighterd::distribution
