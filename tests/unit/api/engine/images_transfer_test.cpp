// SPDX-License-Identifier: Apache-2.0
// Create, push and remote inspect: what the API adds to what the registry client does.
#include "base/encoding.hpp"
#include "tests/support/fake_registry.hpp"
#include "tests/unit/api/engine/engine_fixture.hpp"

namespace lighterd::tests {
namespace {

class Transfer : public EngineTest {
 protected:
  void serve(const std::string& repository, const std::string& tag, const TestImage& image) {
    for (const auto& [descriptor, bytes] : image.layers) registry_.add_blob(repository, bytes, descriptor.media_type);
    registry_.add_blob(repository, image.config_bytes, image.config.media_type);
    registry_.add_manifest(repository, tag, image.manifest.media_type, image.manifest_bytes);
  }
  FakeResponse create(const std::string& query) { return ask({"POST", "/v1.44/images/create" + query}); }
  static std::vector<Json> records(const FakeResponse& response) {
    std::vector<Json> result;
    for (const std::string& line : response.writes) {
      EXPECT_TRUE(line.ends_with("}\r\n"));
      result.push_back(Json::parse(line));
    }
    return result;
  }

  tests::FakeRegistry registry_;
};

TEST_F(Transfer, CreateChecksItsParametersFirst) {
  struct Case {
    std::string query;
    int status;
    const char* message;
  };
  for (const auto& [query, status, message] :
       {Case{"", 400, "either fromImage or fromSrc must be given"},
        Case{"?fromImage=", 400, "either fromImage or fromSrc must be given"},
        Case{"?fromSrc=-&repo=x@sha256:" + std::string(64, '0'), 400, "cannot import digest reference"},
        Case{"?fromSrc=-&changes=RUN+x", 400, "run is not a valid change command"},
        Case{"?fromImage=BAD", 400, "invalid reference format: repository name (library/BAD) must be lowercase"},
        Case{"?fromImage=a&tag=-", 400, "invalid tag format"},
        Case{"?fromImage=a&tag=sha256:zz", 400, "invalid tag format"},
        Case{"?fromImage=scratch&tag=latest", 403, "'scratch' is a reserved name"},
        Case{"?fromImage=docker.io/library/scratch", 403, "'scratch' is a reserved name"},
        Case{"?fromImage=a&platform=foobar", 400,
             "\"foobar\": unknown operating system or architecture: invalid argument"}}) {
    const FakeResponse response = create(query);
    EXPECT_EQ(response.status, status) << query;
    EXPECT_EQ(message_of(response), message) << query;
  }
}

TEST_F(Transfer, PullIsAStreamOfRecords) {
  const TestImage image = make_image();
  serve("team/app", "1", image);
  const FakeResponse response = create("?fromImage=" + registry_.host() + "/team/app&tag=1");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_TRUE(response.complete);
  ASSERT_GE(response.writes.size(), 3u);
  EXPECT_EQ(response.writes.front(), "{\"status\":\"Pulling from team/app\",\"id\":\"1\"}\r\n");
  EXPECT_EQ(response.writes[response.writes.size() - 2],
            "{\"status\":\"Digest: " + image.manifest.digest.to_string() + "\"}\r\n");
  EXPECT_EQ(response.writes.back(),
            "{\"status\":\"Status: Downloaded newer image for " + registry_.host() + "/team/app:1\"}\r\n");
  const auto all = records(response);
  EXPECT_TRUE(std::ranges::any_of(all, [](const Json& record) {
    return record.value("status", "") == "Pull complete" && record.at("progressDetail") == Json({{"hidecounts", true}});
  }));
  EXPECT_EQ(get_json("/images/" + registry_.host() + "/team/app:1/json")["Id"], image.manifest.digest.to_string());

  const FakeResponse again = create("?fromImage=" + registry_.host() + "/team/app&tag=1");
  EXPECT_EQ(again.writes.size(), 3u);
  EXPECT_EQ(again.writes.back(),
            "{\"status\":\"Status: Image is up to date for " + registry_.host() + "/team/app:1\"}\r\n");
}

TEST_F(Transfer, ErrorBeforeTheFirstRecordIsAStatus) {
  const FakeResponse missing = create("?fromImage=" + registry_.host() + "/nope&tag=1");
  EXPECT_EQ(missing.status, 404);
  EXPECT_TRUE(message_of(missing).find("not found") != std::string::npos);
  const FakeResponse down = create("?fromImage=127.0.0.1:1/nope&tag=1");
  EXPECT_EQ(down.status, 500);
  EXPECT_TRUE(message_of(down).find("connection refused") != std::string::npos) << down.body;
}

TEST_F(Transfer, ErrorAfterwardsIsTheLastRecord) {
  const TestImage image = make_image();
  serve("app", "1", image);
  registry_.add_fault(
      {.path = "/v2/app/blobs/" + image.layers[0].first.digest.to_string(), .times = -1, .status = 404});
  const FakeResponse response = create("?fromImage=" + registry_.host() + "/app&tag=1");
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.complete);
  const Json last = records(response).back();
  ASSERT_TRUE(last.contains("error")) << response.body;
  EXPECT_EQ(last["errorDetail"]["message"], last["error"]);
  EXPECT_EQ(get("/images/" + registry_.host() + "/app:1/json").status, 404);
}

TEST_F(Transfer, ClientHeadersReachTheRegistry) {
  serve("app", "1", make_image());
  registry_.require_basic("user", "secret");
  const std::string auth = base::base64_encode(R"({"Username":"user","Password":"secret"})");
  const Call pull = {
      .method = "POST",
      .target = "/images/create?fromImage=" + registry_.host() + "/app&tag=1",
      .headers = {
          {"User-Agent", "Docker-Client/28.2 (linux; x)\\"}, {"x-meta-team", "blue"}, {"X-Registry-Auth", auth}}};
  ASSERT_EQ(ask(pull).status, 200);
  const auto requests = registry_.requests("", "/v2/app/manifests/*");
  ASSERT_FALSE(requests.empty());
  EXPECT_EQ(requests.back().header("User-Agent"),
            "lighterd/1.2.3 UpstreamClient(Docker-Client/28.2 \\(linux\\; x\\)\\\\)");
  EXPECT_EQ(requests.back().header("X-Meta-Team"), "blue");

  Call anonymous = pull;
  anonymous.headers = {{"X-Registry-Auth", "garbage!"}};
  EXPECT_EQ(ask(anonymous).status, 403);
}

// Behind an unread body the server does not see that the client has left.
TEST_F(Transfer, ABodyThatNobodyWantsIsDroppedUpToABound) {
  serve("app", "1", make_image());
  for (const auto& [size, left] : {std::pair<std::size_t, bool>{2, false}, {64 * 1024, false}, {1024 * 1024, true}}) {
    TextSource body(std::string(size, ' '));
    api::Request request;
    request.method = "POST";
    request.path = "/images/create";
    request.query = api::Parameters::parse("fromImage=" + registry_.host() + "/app&tag=1");
    request.body = &body;
    FakeResponse response;
    api_.dispatch(request).handler(request, response);
    EXPECT_EQ(response.status, 200) << size;
    std::byte next;
    EXPECT_EQ(body.read({&next, 1}) == 1, left) << size;
  }
}

TEST_F(Transfer, PlatformIsIgnoredBefore132) {
  serve("app", "1", make_image());
  const std::string target = "/images/create?fromImage=" + registry_.host() + "/app&tag=1&platform=foobar";
  EXPECT_EQ(ask({"POST", "/v1.31" + target}).status, 200);
  EXPECT_EQ(ask({"POST", "/v1.32" + target}).status, 400);
}

TEST_F(Transfer, PushAnswers200AndTellsTheRestInTheStream) {
  const TestImage image = make_image();
  const std::string name = registry_.host() + "/team/app";
  store_.publish(image, name + ":1");
  const FakeResponse pushed = ask({"POST", "/v1.44/images/" + name + "/push?tag=1"});
  ASSERT_EQ(pushed.status, 200);
  EXPECT_TRUE(pushed.complete);
  EXPECT_EQ(pushed.writes.front(), "{\"status\":\"The push refers to repository [" + name + "]\"}\r\n");
  const Json aux = records(pushed).back();
  EXPECT_EQ(aux["progressDetail"], Json::object());
  EXPECT_EQ(aux["aux"]["Digest"], image.manifest.digest.to_string());
  EXPECT_TRUE(registry_.find_manifest("team/app", "1"));

  const FakeResponse missing = ask({"POST", "/v1.44/images/" + name + "/push?tag=2"});
  EXPECT_EQ(missing.status, 200);
  ASSERT_EQ(missing.writes.size(), 2u) << missing.body;
  EXPECT_TRUE(records(missing)[1].contains("error"));
}

TEST_F(Transfer, PushChecksItsParametersFirst) {
  const std::pair<std::string, const char*> table[] = {
      {"/v1.44/images/BAD/push?tag=1", "invalid reference format: repository name (library/BAD) must be lowercase"},
      {"/v1.44/images/a/push?tag=-", "invalid tag format"},
      {"/v1.46/images/a/push?tag=1&platform=%7B%7D", "both OS and Architecture must be provided"}};
  for (const auto& [target, message] : table) {
    const FakeResponse response = ask({"POST", target});
    EXPECT_EQ(response.status, 400) << target;
    EXPECT_EQ(message_of(response), message) << target;
  }
}

TEST_F(Transfer, OldClientsPushWithCredentialsInTheBody) {
  const std::string name = registry_.host() + "/app";
  store_.publish(make_image(), name + ":1");
  registry_.require_basic("user", "secret");
  const std::string target = "/v1.24/images/" + name + "/push?tag=1";
  const FakeResponse pushed =
      ask({.method = "POST", .target = target, .headers = {}, .body = R"({"username":"user","password":"secret"})"});
  EXPECT_TRUE(records(pushed).back().contains("aux")) << pushed.body;
  for (const char* body : {"", "{}", "garbage"})
    EXPECT_TRUE(
        records(ask({.method = "POST", .target = target, .headers = {}, .body = body})).back().contains("error"))
        << body;
}

TEST_F(Transfer, RemoteInspectTellsDescriptorAndPlatforms) {
  const TestImage image = make_image();
  serve("app", "1", image);
  const FakeResponse response = get("/v1.30/distribution/" + registry_.host() + "/app:1/json");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"Descriptor":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
                               image.manifest.digest.to_string() + R"(","size":)" +
                               std::to_string(image.manifest.size_bytes) +
                               R"(},"Platforms":[{"architecture":"amd64","os":"linux"}]})" + "\n");
}

TEST_F(Transfer, RemoteInspectErrors) {
  struct Case {
    std::string name;
    int status;
    const char* message;
  };
  for (const auto& [name, status, message] :
       {Case{"BAD", 400, "invalid reference format: repository name (library/BAD) must be lowercase"},
        Case{"scratch", 400, "'scratch' is a reserved name"},
        Case{std::string(64, 'a'), 500, "no manifest found for full image ID"},
        Case{"sha256:" + std::string(64, 'a'), 500, "no manifest found for full image ID"}}) {
    const FakeResponse response = get("/distribution/" + name + "/json");
    EXPECT_EQ(response.status, status) << name;
    EXPECT_EQ(message_of(response), message) << name;
  }
  EXPECT_EQ(get("/distribution/" + registry_.host() + "/nope:1/json").status, 404);
}

}  // namespace
}  // namespace lighterd::tests
