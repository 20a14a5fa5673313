// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/api/engine/engine_fixture.hpp"

namespace lighterd::tests {
namespace {

const char* const kArm64 = "%7B%22os%22:%22linux%22,%22architecture%22:%22arm64%22%7D";
const char* const kAmd64 = "%7B%22os%22:%22linux%22,%22architecture%22:%22amd64%22%7D";
const char* const kS390x = "%7B%22os%22:%22linux%22,%22architecture%22:%22s390x%22%7D";

class Inspect : public EngineTest {
 protected:
  static std::vector<std::string> keys(const std::string& body) {
    std::vector<std::string> names;
    const auto object = nlohmann::ordered_json::parse(body);
    for (const auto& [name, value] : object.items()) names.push_back(name);
    return names;
  }
  std::string body(const std::string& version, const std::string& query = "") {
    const FakeResponse response = get("/v" + version + "/images/a:1/json" + query);
    EXPECT_EQ(response.status, 200) << response.body;
    return response.body;
  }
  std::string config(const std::string& version) {
    return nlohmann::ordered_json::parse(body(version))["Config"].dump();
  }
};

using Keys = std::vector<std::string>;

TEST_F(Inspect, MembersByVersion) {
  store_.publish(make_image(), "a:1");
  EXPECT_EQ(keys(body("1.24")), (Keys{"Id", "RepoTags", "RepoDigests", "Parent", "Comment", "Created", "Container",
                                      "ContainerConfig", "DockerVersion", "Author", "Config", "Architecture", "Os",
                                      "Size", "VirtualSize", "GraphDriver", "RootFS", "Metadata"}));
  EXPECT_EQ(keys(body("1.44")), (Keys{"Id", "RepoTags", "RepoDigests", "Parent", "Comment", "Created", "Container",
                                      "ContainerConfig", "DockerVersion", "Author", "Config", "Architecture", "Os",
                                      "Size", "GraphDriver", "RootFS", "Metadata"}));
  EXPECT_EQ(keys(body("1.45")),
            (Keys{"Id", "RepoTags", "RepoDigests", "Parent", "Comment", "Created", "DockerVersion", "Author", "Config",
                  "Architecture", "Os", "Size", "GraphDriver", "RootFS", "Metadata"}));
  EXPECT_EQ(keys(body("1.48")),
            (Keys{"Id", "RepoTags", "RepoDigests", "Parent", "Comment", "Created", "DockerVersion", "Author", "Config",
                  "Architecture", "Os", "Size", "GraphDriver", "RootFS", "Metadata", "Descriptor"}));
  EXPECT_EQ(keys(body("1.52")), (Keys{"Id", "RepoTags", "RepoDigests", "Created", "Config", "Architecture", "Os",
                                      "Size", "RootFS", "Metadata", "Descriptor"}));
}

TEST_F(Inspect, ConfigByVersionByteForByte) {
  store_.publish(make_image_of(Json::parse(R"({"os":"linux","architecture":"amd64","config":{"Cmd":["sh"],"Env":null,
      "ExposedPorts":{"80/tcp":{}},"ArgsEscaped":true,"Hostname":"h","Unknown":1,"User":7,"OnBuild":[],
      "Healthcheck":{"Test":["CMD","x"],"Interval":1000000000}}})"),
                               {"layer"}),
                 "a:1");
  const char* const before150 =
      R"({"Hostname":"h","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,)"
      R"("ExposedPorts":{"80/tcp":{}},"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":["sh"],)"
      R"("Healthcheck":{"Interval":1000000000,"Test":["CMD","x"]},"ArgsEscaped":true,"Image":"","Volumes":null,)"
      R"("WorkingDir":"","Entrypoint":null,"OnBuild":[],"Labels":null})";
  EXPECT_EQ(config("1.24"), before150);
  EXPECT_EQ(config("1.49"), before150);
  EXPECT_EQ(config("1.50"),
            R"({"User":"","ExposedPorts":{"80/tcp":{}},"Env":null,"Cmd":["sh"],)"
            R"("Healthcheck":{"Interval":1000000000,"Test":["CMD","x"]},"ArgsEscaped":true,"Volumes":null,)"
            R"("WorkingDir":"","Entrypoint":null,"OnBuild":[],"Labels":null})");
  EXPECT_EQ(config("1.51"), config("1.50"));
  EXPECT_EQ(config("1.52"), R"({"ExposedPorts":{"80/tcp":{}},"Cmd":["sh"],)"
                            R"("Healthcheck":{"Interval":1000000000,"Test":["CMD","x"]},"ArgsEscaped":true})");
}

TEST_F(Inspect, ValuesAreThoseOfTheConfig) {
  const TestImage image =
      make_image_of(Json::parse(R"({"os":"linux","architecture":"arm64","variant":"v8","os.version":"10","author":"me",
      "docker_version":"20.10","container":"cc","container_config":{"Cmd":["x"]},"created":"2024-05-06T07:08:09.123Z",
      "history":[{"created_by":"a","comment":"first"},{"created_by":"b","comment":"last","empty_layer":true}]})"),
                    {"layer"});
  store_.publish(image, "a:1");
  const Json shown = Json::parse(body("1.44"));
  const std::string id = image.manifest.digest.to_string();
  EXPECT_EQ(shown["Id"], id);
  EXPECT_EQ(shown["RepoTags"], Json({"a:1"}));
  EXPECT_EQ(shown["RepoDigests"], Json({"a@" + id}));
  EXPECT_EQ(shown["Created"], "2024-05-06T07:08:09.123Z");
  EXPECT_EQ(shown["Author"], "me");
  EXPECT_EQ(shown["DockerVersion"], "20.10");
  EXPECT_EQ(shown["Container"], "cc");
  EXPECT_EQ(shown["ContainerConfig"], Json::parse(R"({"Cmd":["x"]})"));
  EXPECT_EQ(shown["Comment"], "last");
  EXPECT_EQ(shown["Architecture"], "arm64");
  EXPECT_EQ(shown["Variant"], "v8");
  EXPECT_EQ(shown["Os"], "linux");
  EXPECT_EQ(shown["OsVersion"], "10");
  EXPECT_EQ(shown["Size"], image.manifest.size_bytes + image.config.size_bytes + 5);
  EXPECT_EQ(shown["GraphDriver"], Json::parse(R"({"Name":"overlayfs","Data":null})"));
  EXPECT_EQ(shown["RootFS"], Json({{"Type", "layers"}, {"Layers", {image.layers[0].first.digest.to_string()}}}));
  EXPECT_TRUE(base::parse_rfc3339(shown["Metadata"]["LastTagTime"].get<std::string>()));
  EXPECT_EQ(Json::parse(body("1.48"))["Descriptor"],
            Json({{"mediaType", oci::media_type::kOciManifest}, {"digest", id}, {"size", image.manifest.size_bytes}}));
}

TEST_F(Inspect, WhatIsUnknownIsLeftOutOrZero) {
  store_.publish(make_image_of(Json::parse(R"({"os":"linux","architecture":"amd64"})"), {}), "a:1");
  EXPECT_EQ(Json::parse(body("1.43"))["Created"], "0001-01-01T00:00:00Z");
  EXPECT_FALSE(Json::parse(body("1.44")).contains("Created"));
  EXPECT_EQ(Json::parse(body("1.44"))["ContainerConfig"], nullptr);
  EXPECT_EQ(Json::parse(body("1.52"))["RootFS"], Json({{"Type", "layers"}}));
  EXPECT_EQ(Json::parse(body("1.52"))["Config"], Json::object());
}

TEST_F(Inspect, NoTagTimeIsGosZero) {
  const TestImage image = make_image();
  store_.publish(image, "");
  const Json shown = get_json("/v1.44/images/" + image.manifest.digest.to_string() + "/json");
  EXPECT_EQ(shown["Metadata"]["LastTagTime"], "0001-01-01T00:00:00Z");
  EXPECT_EQ(shown["RepoTags"], Json::array());
}

TEST_F(Inspect, PlatformChoosesAManifest) {
  const TestImage amd64 = make_image();
  const TestImage arm64 = make_image({.architecture = "arm64"});
  const auto index = make_index({{amd64, linux_on("amd64")}, {arm64, linux_on("arm64", "v8")}});
  store_.publish_index(index, {amd64, arm64}, "a:1");

  EXPECT_EQ(Json::parse(body("1.49"))["Id"], index.first.digest.to_string());
  EXPECT_EQ(Json::parse(body("1.49"))["Architecture"], "amd64");
  const Json shown = Json::parse(body("1.49", std::string("?platform=") + kArm64));
  EXPECT_EQ(shown["Id"], arm64.manifest.digest.to_string());
  EXPECT_EQ(shown["Architecture"], "arm64");
  EXPECT_EQ(shown["Descriptor"]["digest"], arm64.manifest.digest.to_string());
  EXPECT_EQ(shown["Descriptor"]["platform"]["architecture"], "arm64");
  EXPECT_EQ(shown["RepoDigests"], Json({"a@" + index.first.digest.to_string()}));
  std::int64_t size = index.first.size_bytes + arm64.manifest.size_bytes + arm64.config.size_bytes;
  for (const auto& [layer, bytes] : arm64.layers) size += layer.size_bytes;
  EXPECT_EQ(shown["Size"], size);
  EXPECT_EQ(Json::parse(body("1.48", std::string("?platform=") + kArm64))["Architecture"], "amd64");

  EXPECT_EQ(Json::parse(body("1.48", "?manifests=1"))["Manifests"].size(), 2u);
  EXPECT_FALSE(Json::parse(body("1.47", "?manifests=1")).contains("Manifests"));
}

TEST_F(Inspect, PlatformErrors) {
  store_.publish(make_image(), "a:1");
  FakeResponse response = get(std::string("/v1.49/images/a:1/json?platform=") + kS390x);
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(message_of(response),
            "image with reference a:1 was found but does not provide the specified platform (linux/s390x)");
  response = get("/v1.49/images/a:1/json?platform=linux/amd64");
  EXPECT_EQ(response.status, 400);
  EXPECT_TRUE(message_of(response).starts_with("failed to parse platform: "));
  response = get(std::string("/v1.49/images/a:1/json?manifests=1&platform=") + kAmd64);
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(message_of(response), "conflicting options: manifests and platform options cannot both be set");
}

TEST_F(Inspect, UnknownAndUnparsableNames) {
  struct Case {
    std::string name;
    int status;
    std::string message;
  };
  const std::string hex(64, 'a');
  for (const auto& [name, status, message] :
       {Case{"nope", 404, "No such image: nope:latest"}, Case{"abcd1234", 404, "No such image: abcd1234:latest"},
        Case{"sha256:" + hex, 404, "No such image: sha256:" + hex}, Case{hex, 404, "No such image: sha256:" + hex},
        Case{"localhost:5000/x:1", 404, "No such image: localhost:5000/x:1"},
        Case{"UPPER", 400, "invalid reference format: repository name (library/UPPER) must be lowercase"},
        Case{"a:b:c", 400, "invalid reference format"}, Case{"%20", 400, "invalid reference format"}}) {
    const FakeResponse response = get("/v1.44/images/" + name + "/json");
    EXPECT_EQ(response.status, status) << name;
    EXPECT_EQ(message_of(response), message) << name;
  }
}

TEST_F(Inspect, IdentityNamesTheOrigin) {  // without the port, as dockerd does
  const TestImage image = make_image();
  store_.publish(image, "localhost:5000/a:1");
  store_.images().tag(image.manifest.digest, oci::parse_reference("a:1"));
  store_.content().add_source({image.manifest.digest}, {"localhost:5000", "a"});
  EXPECT_FALSE(Json::parse(body("1.52")).contains("Identity"));
  EXPECT_EQ(Json::parse(body("1.53"))["Identity"], Json::parse(R"({"Pull":[{"Repository":"localhost/a"}]})"));
}

class History : public EngineTest {};

TEST_F(History, NewestFirstByteForByte) {
  const TestImage image = make_image_of(Json::parse(R"({"os":"linux","architecture":"amd64","history":[
      {"created":"2024-05-06T07:08:09.5Z","created_by":"ADD <a>","comment":"c"},
      {"created_by":"ENV X","empty_layer":true},{"created":"2024-05-06T07:08:10Z","created_by":"RUN y"}]})"),
                                        {"bottom", "top layer"});
  store_.publish(image, "a:1");
  store_.images().tag(image.manifest.digest, oci::parse_reference("b:2"));
  const std::string id = image.manifest.digest.to_string();
  EXPECT_EQ(get("/v1.44/images/a:1/history").body,
            R"([{"Id":")" + id +
                R"(","Created":1714979290,"CreatedBy":"RUN y","Tags":["a:1","b:2"],"Size":9,"Comment":""},)"
                R"({"Id":"<missing>","Created":0,"CreatedBy":"ENV X","Tags":null,"Size":0,"Comment":""},)"
                R"({"Id":"<missing>","Created":1714979289,"CreatedBy":"ADD <a>","Tags":null,"Size":6,"Comment":"c"}])"
                "\n");
}

TEST_F(History, NoHistoryIsEmptyAndNoNameIsNull) {
  store_.publish(make_image_of(Json::parse(R"({"os":"linux","architecture":"amd64"})"), {"x"}), "a:1");
  EXPECT_EQ(get("/images/a:1/history").body, "[]\n");
  const TestImage unnamed = make_image();
  store_.publish(unnamed, "");
  EXPECT_EQ(get_json("/images/" + unnamed.manifest.digest.hex() + "/history")[0]["Tags"], nullptr);
}

TEST_F(History, PlatformIsMatchedLoosely) {
  const TestImage amd64 = make_image({.layers = {"one"}});
  const TestImage i386 = make_image({.architecture = "386", .layers = {"three"}});
  store_.publish_index(make_index({{i386, linux_on("386")}, {amd64, linux_on("amd64")}}), {amd64, i386}, "a:1");
  EXPECT_EQ(get_json("/v1.48/images/a:1/history")[0]["Size"], 3);
  EXPECT_EQ(get_json(std::string("/v1.48/images/a:1/history?platform=") + kAmd64)[0]["Size"], 3);
  EXPECT_EQ(
      get_json("/v1.48/images/a:1/history?platform=%7B%22os%22:%22linux%22,%22architecture%22:%22386%22%7D")[0]["Size"],
      5);
  EXPECT_EQ(get(std::string("/v1.48/images/a:1/history?platform=") + kS390x).status, 404);
  EXPECT_EQ(get(std::string("/v1.47/images/a:1/history?platform=") + kS390x).status, 200);
  EXPECT_EQ(message_of(get("/images/nope/history")), "No such image: nope:latest");
}

}  // namespace
}  // namespace lighterd::tests
