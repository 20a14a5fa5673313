// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/api/engine/engine_fixture.hpp"

namespace lighterd::tests {
namespace {

class Routes : public EngineTest {};

TEST_F(Routes, EveryAnswerCarriesTheVersionHeaders) {
  for (const char* target : {"/_ping", "/v1.24/version", "/images/none/json", "/v1.55/images/json"}) {
    const FakeResponse response = get(target);
    EXPECT_EQ(response.headers.at("Api-Version"), "1.55") << target;
    EXPECT_EQ(response.headers.at("Ostype"), "linux") << target;
    EXPECT_EQ(response.headers.at("Docker-Experimental"), "false") << target;
    EXPECT_EQ(response.headers.at("Server"), "Docker/1.2.3 (linux)") << target;
  }
}

TEST_F(Routes, UnknownPathOrMethodIs404WithoutTheVersionHeaders) {
  const Call calls[] = {{"GET", "/nope"},          {"GET", "/v1.44/nope"}, {"GET", "/v9.99/nope"},
                        {"POST", "/_ping"},        {"HEAD", "/version"},   {"HEAD", "/images/json"},
                        {"GET", "/v1.44"},         {"GET", "/"},           {"PUT", "/images/create"},
                        {"GET", "/images/a/push"}, {"GET", "/v1.x/info"},  {"GET", "/images/prune/x"},
                        {"POST", "/events"},       {"GET", "/auth"}};
  for (const Call& call : calls) {
    const FakeResponse response = ask(call);
    EXPECT_EQ(response.status, 404) << call.method << " " << call.target;
    EXPECT_EQ(response.body, "{\"message\":\"page not found\"}\n") << call.method << " " << call.target;
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_TRUE(response.headers.empty()) << call.method << " " << call.target;
  }
}

TEST_F(Routes, OptionsIsEmptyEverywhere) {
  for (const char* target : {"/anything", "/v1.44/images/json"}) {
    const FakeResponse response = ask({"OPTIONS", target});
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "");
    EXPECT_EQ(response.headers.at("Api-Version"), "1.55");
  }
}

TEST_F(Routes, VersionOutOfRangeIs400) {
  FakeResponse response = get("/v1.23/version");
  EXPECT_EQ(response.status, 200);

  response = get("/v1.21/version");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(response.body,
            "client version 1.21 is too old. Minimum supported API version is 1.22, please upgrade your client to a "
            "newer version\n");
  EXPECT_EQ(response.headers.at("Api-Version"), "1.55");
  EXPECT_FALSE(response.headers.contains("Docker-Experimental"));

  response = get("/v1.56/_ping");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(message_of(response), "client version 1.56 is too new. Maximum supported API version is 1.55");
}

TEST_F(Routes, RouteMinimumIsNamedByItsTemplate) {
  const FakeResponse response = get("/v1.29/distribution/alpine/json");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(message_of(response), "GET /distribution/{name:.*}/json requires minimum API version 1.30");
}

TEST_F(Routes, OnlyPingRunsOnTheReactor) {
  const auto execution = [&](const std::string& method, const std::string& path) {
    api::Request request;
    request.method = method;
    request.path = path;
    return api_.dispatch(request).execution;
  };
  EXPECT_EQ(execution("GET", "/_ping"), api::Execution::kInline);
  EXPECT_EQ(execution("HEAD", "/v1.44/_ping"), api::Execution::kInline);
  EXPECT_EQ(execution("GET", "/images/json"), api::Execution::kWorker);
  EXPECT_EQ(execution("POST", "/images/create"), api::Execution::kWorker);
}

TEST_F(Routes, NamesMayHaveSlashesColonsAndEscapes) {
  const TestImage image = make_image();
  store_.publish(image, "localhost:5000/team/app:1.0");
  const std::string id = image.manifest.digest.to_string();
  for (const std::string& name :
       {std::string("localhost:5000/team/app:1.0"), std::string("localhost:5000%2Fteam%2Fapp%3A1.0"),
        "localhost:5000/team/app%40" + id, "localhost:5000/team/app@" + id, id, id.substr(7), id.substr(7, 8)})
    EXPECT_EQ(get_json("/v1.44/images/" + name + "/json")["Id"], id) << name;
}

TEST_F(Routes, FixedPathsWinOverNames) {
  store_.publish(make_image(), "json:latest");
  EXPECT_TRUE(get_json("/images/json").is_array());
  EXPECT_TRUE(get_json("/images/json/json").is_object());
}

TEST_F(Routes, ClientThatIsGoneGetsNothing) {
  std::stop_source gone;
  gone.request_stop();
  const FakeResponse response = ask({"GET", "/v1.44/distribution/127.0.0.1:1/x/json"}, gone.get_token());
  EXPECT_EQ(response.status, 0) << response.body;
}

}  // namespace
}  // namespace lighterd::tests
