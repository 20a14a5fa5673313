// SPDX-License-Identifier: Apache-2.0
#include "api/engine/image_json.hpp"
#include "tests/unit/api/engine/engine_fixture.hpp"

namespace lighterd::tests {
namespace {

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

class List : public EngineTest {
 protected:
  // The first tag of each image shown, in order.
  std::vector<std::string> names(const std::string& query) {
    std::vector<std::string> result;
    for (const Json& item : get_json("/v1.44/images/json" + query))
      result.push_back(item["RepoTags"].empty() ? "<none>" : item["RepoTags"][0].get<std::string>());
    return result;
  }
  std::string error(const std::string& query, const std::string& version = "1.44") {
    const FakeResponse response = get("/v" + version + "/images/json" + query);
    EXPECT_EQ(response.status, 400) << query;
    return message_of(response);
  }
  static std::string filters(const std::string& json) {
    std::string encoded;
    for (const char c : json) {
      char text[4];
      std::snprintf(text, sizeof text, "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      encoded += text;
    }
    return "?filters=" + encoded;
  }
};

using Names = std::vector<std::string>;

TEST_F(List, EmptyIsAnArray) {
  EXPECT_EQ(get("/images/json").body, "[]\n");
}

TEST_F(List, ItemByVersionByteForByte) {
  const TestImage image = make_image({.labels = {{"k", "v"}}});
  store_.publish(image, "alpine:3");
  store_.images().tag(image.manifest.digest, oci::parse_reference("localhost:5000/x:1"));
  std::int64_t size = image.manifest.size_bytes + image.config.size_bytes;
  for (const auto& [layer, bytes] : image.layers) size += layer.size_bytes;
  const auto fill = [&](std::string text) {
    text = replace_all(std::move(text), "$ID", image.manifest.digest.to_string());
    text = replace_all(std::move(text), "$MANIFEST", std::to_string(image.manifest.size_bytes));
    return replace_all(std::move(text), "$SIZE", std::to_string(size));
  };
  const std::string names = R"("RepoDigests":["alpine@$ID","localhost:5000/x@$ID"],)"
                            R"("RepoTags":["alpine:3","localhost:5000/x:1"],)";
  const std::string start = R"(,"Created":1714979289,"Id":"$ID","Labels":{"k":"v"},"ParentId":"",)";
  const std::string descriptor =
      R"("Descriptor":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"$ID","size":$MANIFEST},)";
  const std::pair<const char*, std::string> table[] = {
      {"1.24", R"([{"Containers":-1)" + start + names + R"("SharedSize":-1,"Size":$SIZE,"VirtualSize":$SIZE}])"},
      {"1.43", R"([{"Containers":-1)" + start + names + R"("SharedSize":-1,"Size":$SIZE,"VirtualSize":$SIZE}])"},
      {"1.44", R"([{"Containers":-1)" + start + names + R"("SharedSize":-1,"Size":$SIZE}])"},
      {"1.48", R"([{"Containers":-1)" + start + descriptor + names + R"("SharedSize":-1,"Size":$SIZE}])"},
      {"1.51", R"([{"Containers":0)" + start + descriptor + names + R"("SharedSize":-1,"Size":$SIZE}])"}};
  for (const auto& [version, expected] : table)
    EXPECT_EQ(get(std::string("/v") + version + "/images/json").body, fill(expected) + "\n") << version;
}

TEST_F(List, ImageWithoutNameHasEmptyArraysOrOldPlaceholders) {
  store_.publish(make_image(), "");
  EXPECT_EQ(get_json("/v1.43/images/json")[0]["RepoTags"], Json::array());
  EXPECT_EQ(get_json("/v1.43/images/json")[0]["RepoDigests"], Json::array());
  EXPECT_EQ(get_json("/v1.42/images/json")[0]["RepoTags"], Json({"<none>:<none>"}));
  EXPECT_EQ(get_json("/v1.42/images/json")[0]["RepoDigests"], Json({"<none>@<none>"}));
  EXPECT_EQ(get_json("/v1.44/images/json")[0]["Labels"], Json::object());
}

TEST_F(List, NewestFirst) {
  store_.publish(make_image({.created = "2020-01-01T00:00:00Z"}), "old:1");
  store_.publish(make_image({.created = "2022-01-01T00:00:00Z"}), "new:1");
  store_.publish(make_image({.created = "2021-01-01T00:00:00Z"}), "middle:1");
  EXPECT_EQ(names(""), (Names{"new:1", "middle:1", "old:1"}));
}

TEST_F(List, ReferenceFilterLimitsImagesAndTheirNames) {
  const TestImage image = make_image();
  store_.publish(image, "alpine:3");
  for (const char* name : {"alpine:4", "team/app:3", "localhost:5000/team/app:3"})
    store_.images().tag(image.manifest.digest, oci::parse_reference(name));
  const std::pair<const char*, Json> table[] = {{"alpine", {"alpine:3", "alpine:4"}},
                                                {"alpine:4", Json::array({"alpine:4"})},
                                                {"*:3", Json::array({"alpine:3"})},
                                                {"*/*:3", Json::array({"team/app:3"})},
                                                {"docker.io/library/alpine", {"alpine:3", "alpine:4"}},
                                                {"docker.io/library/*:4", Json::array({"alpine:4"})},
                                                {"localhost:5000/team/*", Json::array({"localhost:5000/team/app:3"})}};
  for (const auto& [pattern, tags] : table) {
    for (const std::string& json : {std::string(R"({"reference":[")") + pattern + "\"]}",
                                    std::string(R"({"reference":{")") + pattern + "\":true}}"}) {
      const Json list = get_json("/images/json" + filters(json));
      ASSERT_EQ(list.size(), 1u) << pattern;
      EXPECT_EQ(list[0]["RepoTags"], tags) << pattern;
    }
  }
  EXPECT_EQ(get_json("/images/json" + filters(R"({"reference":["alpine:4"]})"))[0]["RepoDigests"].size(), 1u);
  EXPECT_TRUE(get_json("/images/json" + filters(R"({"reference":["nope*"]})")).empty());
  EXPECT_EQ(get_json("/images/json" + filters(R"({"reference":["nope","alpine:4"]})")).size(), 1u);
}

TEST_F(List, OldFilterParameter) {
  store_.publish(make_image(), "alpine:3");
  store_.publish(make_image({.layers = {"other"}}), "busybox:1");
  EXPECT_EQ(get_json("/v1.24/images/json?filter=alpine").size(), 1u);
  EXPECT_EQ(get_json("/v1.25/images/json?filter=alpine").size(), 2u);
  EXPECT_EQ(
      get_json("/v1.24/images/json?filter=alpine&filters=%7B%22reference%22:%5B%22busybox%22%5D%7D")[0]["RepoTags"],
      Json({"busybox:1"}));
}

TEST_F(List, DanglingFilter) {
  store_.publish(make_image(), "");
  store_.publish(make_image({.layers = {"other"}}), "a:1");
  EXPECT_EQ(names(filters(R"({"dangling":["true"]})")), (Names{"<none>"}));
  EXPECT_EQ(names(filters(R"({"dangling":{"1":true}})")), (Names{"<none>"}));
  EXPECT_EQ(names(filters(R"({"dangling":["false"]})")), (Names{"a:1"}));
  EXPECT_EQ(names("").size(), 2u);
  EXPECT_EQ(names("?all=1").size(), 2u);
}

TEST_F(List, LabelFilters) {
  store_.publish(make_image({.labels = {{"a", "1"}, {"b", "2"}}}), "both:1");
  store_.publish(make_image({.created = "2020-01-01T00:00:00Z", .labels = {{"a", "1"}}}), "one:1");
  store_.publish(make_image({.created = "2019-01-01T00:00:00Z"}), "none:1");
  const std::pair<const char*, Names> table[] = {{R"({"label":["a"]})", {"both:1", "one:1"}},
                                                 {R"({"label":["a=1","b"]})", {"both:1"}},
                                                 {R"({"label":["a=2"]})", {}},
                                                 {R"({"label!":["b"]})", {"one:1", "none:1"}},
                                                 {R"({"label":["a"],"label!":["b=2"]})", {"one:1"}},
                                                 {R"({"label":["b!=2"]})", {"one:1", "none:1"}},
                                                 {R"({"label":["a"],"dangling":["true"]})", {}}};
  for (const auto& [json, expected] : table) EXPECT_EQ(names(filters(json)), expected) << json;
}

TEST_F(List, TimeFilters) {
  store_.publish(make_image({.created = "2020-01-01T00:00:00Z"}), "old:1");
  store_.publish(make_image({.created = "2021-01-01T00:00:00Z"}), "middle:1");
  store_.publish(make_image({.created = "2022-01-01T00:00:00Z"}), "new:1");
  const std::pair<const char*, Names> table[] = {{R"({"before":["middle:1"]})", {"old:1"}},
                                                 {R"({"since":["middle:1"]})", {"new:1"}},
                                                 {R"({"since":["old:1"],"before":["new:1"]})", {"middle:1"}},
                                                 {R"({"until":["2021-06-01"]})", {}},
                                                 {R"({"until":["1h"]})", {}},
                                                 {R"({"until":["-1h"]})", {"new:1", "middle:1", "old:1"}}};
  for (const auto& [json, expected] : table) EXPECT_EQ(names(filters(json)), expected) << json;

  const FakeResponse unknown = get("/images/json" + filters(R"({"since":["nope"]})"));
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(message_of(unknown), "No such image: nope:latest");
}

TEST_F(List, BadFiltersAre400WithDockersTexts) {
  EXPECT_EQ(error(filters("nonsense")), "invalid filter");
  EXPECT_EQ(error(filters(R"({"dangling":"true"})")), "invalid filter");
  EXPECT_EQ(error(filters(R"({"nope":["x"]})")), "invalid filter 'nope'");
  EXPECT_EQ(error(filters(R"({"dangling":["x"]})")), "invalid filter 'dangling=[x]'");
  EXPECT_EQ(error(filters(R"({"dangling":[]})")), "invalid filter 'dangling'");
  EXPECT_TRUE(error(filters(R"({"until":["tomorrow"]})")).starts_with("invalid value for 'until' filter: "));
  EXPECT_EQ(error("?identity=1", "1.54"), "conflicting options: identity requires manifests=1");
  EXPECT_EQ(get("/v1.53/images/json?identity=1").status, 200);
  EXPECT_EQ(get("/images/json?filters=").status, 200);
}

TEST_F(List, SharedSizeCountsWhatAnotherImageHasToo) {
  store_.publish(make_image({.layers = {"shared", "first"}}), "a:1");
  store_.publish(make_image({.layers = {"shared", "second"}}), "b:1");
  store_.publish(make_image({.layers = {"third"}}), "c:1");
  std::map<std::string, std::int64_t> sizes;
  for (const Json& item : get_json("/v1.42/images/json?shared-size=1")) sizes[item["RepoTags"][0]] = item["SharedSize"];
  EXPECT_EQ(sizes, (std::map<std::string, std::int64_t>{{"a:1", 6}, {"b:1", 6}, {"c:1", 0}}));
  for (const Json& item : get_json("/v1.41/images/json?shared-size=1")) EXPECT_EQ(item["SharedSize"], -1);
}

TEST_F(List, ManifestsShowEveryPlatformPresentOrNot) {
  const TestImage amd64 = make_image();
  const TestImage arm64 = make_image({.architecture = "arm64"});
  Json index = Json::parse(make_index({{amd64, linux_on("amd64")}, {arm64, linux_on("arm64", "v8")}}).second);
  Json attestation = oci::to_json(descriptor_of(oci::media_type::kOciManifest, "attestation"));
  attestation["platform"] = {{"os", "unknown"}, {"architecture", "unknown"}};
  attestation["annotations"] = {{"vnd.docker.reference.type", "attestation-manifest"},
                                {"vnd.docker.reference.digest", amd64.manifest.digest.to_string()}};
  index["manifests"].push_back(attestation);
  const std::string bytes = index.dump();
  store_.publish_index({descriptor_of(oci::media_type::kOciIndex, bytes), bytes}, {amd64}, "multi:1");

  EXPECT_FALSE(get_json("/v1.46/images/json?manifests=1")[0].contains("Manifests"));
  EXPECT_FALSE(get_json("/v1.47/images/json")[0].contains("Manifests"));
  const Json manifests = get_json("/v1.47/images/json?manifests=1")[0]["Manifests"];
  ASSERT_EQ(manifests.size(), 3u);
  std::int64_t size = amd64.manifest.size_bytes + amd64.config.size_bytes;
  for (const auto& [layer, content] : amd64.layers) size += layer.size_bytes;
  EXPECT_EQ(manifests[0]["ID"], amd64.manifest.digest.to_string());
  EXPECT_EQ(manifests[0]["Descriptor"]["digest"], amd64.manifest.digest.to_string());
  EXPECT_EQ(manifests[0]["Available"], true);
  EXPECT_EQ(manifests[0]["Kind"], "image");
  EXPECT_EQ(manifests[0]["Size"], Json({{"Content", size}, {"Total", size}}));
  EXPECT_EQ(manifests[0]["ImageData"]["Platform"], Json({{"architecture", "amd64"}, {"os", "linux"}}));
  EXPECT_EQ(manifests[0]["ImageData"]["Size"]["Unpacked"], 0);
  EXPECT_EQ(manifests[1]["ID"], arm64.manifest.digest.to_string());
  EXPECT_EQ(manifests[1]["Available"], false);
  EXPECT_EQ(manifests[1]["Kind"], "image");
  EXPECT_EQ(manifests[1]["ImageData"]["Platform"]["variant"], "v8");
  EXPECT_EQ(manifests[1]["Size"]["Total"], 0);
  EXPECT_EQ(manifests[2]["Kind"], "attestation");
  EXPECT_FALSE(manifests[2].contains("ImageData"));
  EXPECT_EQ(manifests[2]["AttestationData"]["For"], amd64.manifest.digest.to_string());
}

TEST_F(List, IdentityIsOfEachManifestThatIsAskedFor) {
  const TestImage image = make_image();
  store_.publish(image, "localhost:5000/team/a:1");
  store_.content().add_source({image.manifest.digest}, {"localhost:5000", "team/a"});
  const auto image_data = [&](const std::string& version, const std::string& query) {
    return get_json("/v" + version + "/images/json?manifests=1" + query)[0]["Manifests"][0]["ImageData"];
  };
  EXPECT_FALSE(image_data("1.54", "").contains("Identity"));
  EXPECT_FALSE(image_data("1.53", "&identity=1").contains("Identity"));
  EXPECT_EQ(image_data("1.54", "&identity=1")["Identity"],
            Json::parse(R"({"Pull":[{"Repository":"localhost/team/a"}]})"));
}

TEST_F(List, TenThousandItemsAreWrittenFast) {
  imagestore::ImageRecord record{.target = make_image().manifest};
  record.tags = {oci::parse_reference("localhost:5000/team/application:1.2.3")};
  record.labels_json = R"({"a":"b"})";
  const auto start = std::chrono::steady_clock::now();
  std::string out;
  for (int i = 0; i < 10'000; ++i) api::append_list_item(out, record, {}, api::ApiVersion(55));
  // Ten times what it takes without optimisation on a slow machine.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_TRUE(Json::accept(out.substr(0, out.size() / 10'000)));
}

}  // namespace
}  // namespace lighterd::tests
