// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "api/http/path.hpp"
#include "api/http/request.hpp"
#include "api/http/response_head.hpp"
#include "api/http/router.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

struct PathCase {
  std::string raw;
  std::optional<std::string> path;
};

TEST(PathTest, IsNormalized) {
  const PathCase cases[] = {
      {"/", "/"},
      {"/a/b", "/a/b"},
      {"/a/b/", "/a/b/"},
      {"//a///b//", "/a/b/"},
      {"/a/./b", "/a/b"},
      {"/a/b/.", "/a/b/"},
      {"/a/../b", "/b"},
      {"/a/b/..", "/a/"},
      {"/../../a", "/a"},
      {"/..", "/"},
      {"/a/%2e%2e/b", "/b"},
      {"/a/..b/.c", "/a/..b/.c"},
      {"/images/docker.io%2Flibrary%2Fa:b@sha256:c/json", "/images/docker.io/library/a:b@sha256:c/json"},
      {"/a+b", "/a+b"},
      {"/%2525", "/%25"},
      {"/a%", std::nullopt},
      {"/a%4", std::nullopt},
      {"/a%zz", std::nullopt},
      {"/a%00", std::nullopt},
  };
  for (const PathCase& c : cases) EXPECT_EQ(normalize_path(c.raw), c.path) << c.raw;
}

TEST(PathTest, TakesManySlashes) {
  EXPECT_EQ(normalize_path(std::string(16'000, '/')), "/");
}

class RouterTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto& [method, pattern] :
         std::vector<std::pair<const char*, const char*>>{{"GET", "/images/json"},
                                                          {"GET", "/images/{name...}"},
                                                          {"GET", "/images/{name...}/json"},
                                                          {"POST", "/images/{name...}/tag"},
                                                          {"DELETE", "/images/{name...}"},
                                                          {"GET", "/v2/"},
                                                          {"GET", "/v2/{name...}/manifests/{reference}"},
                                                          {"GET", "/v2/{name...}/blobs/{digest}"},
                                                          {"POST", "/v2/{name...}/blobs/uploads/"},
                                                          {"PATCH", "/v2/{name...}/blobs/uploads/{uuid}"},
                                                          {"*", "/any"},
                                                          {"GET", "/one/{x}"},
                                                          {"GET", "/one/{x...}"}})
      router_.add({method, pattern, Execution::kWorker, nullptr});
  }

  // "<pattern> <name>=<value>..."
  std::string find(std::string_view method, std::string_view path) const {
    const auto match = router_.find(method, path);
    if (!match) return "nothing";
    std::string text = match->route->pattern;
    for (const auto& [name, value] : match->parameters) text += " " + name + "=" + value;
    return text;
  }

  Router router_;
};

TEST_F(RouterTest, FindsTheMostLiteralRoute) {
  EXPECT_EQ(find("GET", "/images/json"), "/images/json");
  EXPECT_EQ(find("GET", "/images/json/json"), "/images/{name...}/json name=json");
  EXPECT_EQ(find("GET", "/images/a/json"), "/images/{name...}/json name=a");
  EXPECT_EQ(find("GET", "/images/a/jsonx"), "/images/{name...} name=a/jsonx");
  EXPECT_EQ(find("GET", "/one/a"), "/one/{x} x=a");
  EXPECT_EQ(find("GET", "/one/a/b"), "/one/{x...} x=a/b");
}

TEST_F(RouterTest, NamesMayHoldSlashesColonsAndAtSigns) {
  EXPECT_EQ(find("POST", "/images/localhost:5000/a/b:c@sha256:d/tag"),
            "/images/{name...}/tag name=localhost:5000/a/b:c@sha256:d");
  EXPECT_EQ(find("GET", "/v2/a/b/manifests/sha256:c"),
            "/v2/{name...}/manifests/{reference} name=a/b reference=sha256:c");
  EXPECT_EQ(find("GET", "/v2/manifests/manifests/manifests"),
            "/v2/{name...}/manifests/{reference} name=manifests reference=manifests");
}

TEST_F(RouterTest, ASlashAtTheEndMatters) {
  EXPECT_EQ(find("GET", "/v2/"), "/v2/");
  EXPECT_EQ(find("GET", "/v2"), "nothing");
  EXPECT_EQ(find("POST", "/v2/a/blobs/uploads/"), "/v2/{name...}/blobs/uploads/ name=a");
  EXPECT_EQ(find("PATCH", "/v2/a/blobs/uploads/u"), "/v2/{name...}/blobs/uploads/{uuid} name=a uuid=u");
  EXPECT_EQ(find("PATCH", "/v2/a/blobs/uploads/"), "nothing");
  EXPECT_EQ(find("GET", "/images/"), "nothing");
  EXPECT_EQ(find("GET", "/images/json/"), "nothing");
  EXPECT_EQ(find("GET", "/one/"), "nothing");
}

TEST_F(RouterTest, MethodsAreApart) {
  EXPECT_EQ(find("PUT", "/images/json"), "nothing");
  EXPECT_EQ(find("HEAD", "/images/json"), "nothing");
  EXPECT_EQ(find("PURGE", "/any"), "/any");
  EXPECT_EQ(find("DELETE", "/images/a/json"), "/images/{name...} name=a/json");
}

TEST(RouterPatternTest, MalformedOnesAreRefused) {
  for (const char* pattern : {"/{}", "/{...}", "/a{b}", "/{a}b", "/{a...}/{b...}", "/{a", "/a}"}) {
    Router router;
    EXPECT_THROW(router.add({"GET", pattern, Execution::kWorker, nullptr}), base::Error) << pattern;
  }
}

TEST(ParametersTest, AreDecodedInOrder) {
  const Parameters parameters = Parameters::parse("names=a%2Fb&names=c+d&empty&bad=%zz&=x&&eq=a=b");
  EXPECT_EQ(parameters.all("names"), (std::vector<std::string>{"a/b", "c d"}));
  EXPECT_EQ(*parameters.find("names"), "a/b");
  EXPECT_EQ(*parameters.find("empty"), "");
  EXPECT_EQ(*parameters.find("bad"), "%zz");
  EXPECT_EQ(*parameters.find(""), "x");
  EXPECT_EQ(*parameters.find("eq"), "a=b");
  EXPECT_EQ(parameters.find("Names"), nullptr);
}

TEST(ParametersTest, AreAppended) {
  Parameters parameters = Parameters::parse("a=1");
  parameters.append(Parameters::parse("a=2&b=3"));
  EXPECT_EQ(parameters.all("a"), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(*parameters.find("b"), "3");
}

TEST(RequestTest, UnknownPathParameterIsABug) {
  Request request;
  request.path_parameters = {{"name", "a"}};
  EXPECT_EQ(request.path_parameter("name"), "a");
  EXPECT_THROW(request.path_parameter("other"), base::Error);
}

TEST(ResponseHeadTest, WritesDatesAsHttpDoes) {
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(ResponseHeadTest, RefusesHeadersThatWouldForgeOthers) {
  check_response_header("Api-Version", "1.45");
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"A", "b\r\nC: d"},
                                                                                    {"A", "b\n"},
                                                                                    {"A", std::string("\0", 1)},
                                                                                    {"A b", "c"},
                                                                                    {"", "c"},
                                                                                    {"A:", "c"},
                                                                                    {"Connection", "keep-alive"},
                                                                                    {"transfer-encoding", "chunked"},
                                                                                    {"Date", "now"}})
    EXPECT_THROW(check_response_header(name, value), base::Error) << name;
}

}  // namespace
}  // namespace lighterd::api
