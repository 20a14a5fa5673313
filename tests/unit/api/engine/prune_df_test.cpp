// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/api/engine/engine_fixture.hpp"

namespace lighterd::tests {
namespace {

class Prune : public EngineTest {
 protected:
  Json prune(const std::string& filters = "", const std::string& version = "/v1.44") {
    const FakeResponse response =
        ask({"POST", version + "/images/prune" + (filters.empty() ? "" : "?filters=" + filters)});
    EXPECT_EQ(response.status, 200) << response.body;
    return Json::parse(response.body);
  }
};

TEST_F(Prune, DanglingOnlyUnlessToldOtherwise) {
  const TestImage old = make_image({.layers = {"old"}});
  const TestImage current = make_image({.layers = {"new"}});
  store_.publish(old, "a:1");
  store_.publish(current, "a:1");
  const std::string id = old.manifest.digest.to_string();
  const Json report = prune();
  EXPECT_EQ(report["ImagesDeleted"], Json::array({Json{{"Untagged", id}}, Json{{"Deleted", id}}}));
  EXPECT_EQ(report["SpaceReclaimed"], old.manifest.size_bytes + old.config.size_bytes + 3);
  EXPECT_EQ(prune(), (Json{{"ImagesDeleted", nullptr}, {"SpaceReclaimed", 0}}));
  EXPECT_EQ(prune(R"({"dangling":["true"]})")["ImagesDeleted"], nullptr);
  EXPECT_EQ(ask({"POST", "/images/a:1/tag?repo=b&tag=2"}).status, 201);
  const std::string other = current.manifest.digest.to_string();
  EXPECT_EQ(prune(R"({"dangling":{"false":true}})")["ImagesDeleted"],
            Json::array({Json{{"Untagged", "a:1"}}, Json{{"Untagged", "b:2"}}, Json{{"Deleted", other}}}));
  EXPECT_TRUE(store_.files().empty());
}

TEST_F(Prune, Filters) {
  store_.publish(make_image({.created = "2020-01-01T00:00:00Z", .layers = {"1"}, .labels = {{"k", "v"}}}), "old:k");
  store_.publish(make_image({.created = "2020-01-01T00:00:00Z", .layers = {"2"}}), "old:none");
  store_.publish(make_image({.created = "2024-01-01T00:00:00Z", .layers = {"3"}, .labels = {{"k", "w"}}}), "new:w");
  // When they came here, not what their configs say.
  store_.execute("UPDATE image SET added_at=created_at WHERE created_at<1600000000000000000");
  const auto pruned = [&](const std::string& more) {
    std::vector<std::string> names;
    const Json report = prune(R"({"dangling":["0"],)" + more + "}");
    for (const Json& item : report["ImagesDeleted"])
      if (item.contains("Untagged")) names.push_back(item["Untagged"]);
    return names;
  };
  EXPECT_EQ(pruned(R"("label":["k=x"])"), std::vector<std::string>{});
  EXPECT_EQ(pruned(R"("until":["2022-01-01"],"label":["k"])"), std::vector<std::string>{"old:k"});
  EXPECT_EQ(pruned(R"("until":["2000h"],"label!":["k"])"), std::vector<std::string>{"old:none"});
  EXPECT_EQ(pruned(R"("until":["1577836800"])"), std::vector<std::string>{}) << "strictly before";
  EXPECT_EQ(pruned(R"("label":["k=w"])"), std::vector<std::string>{"new:w"});
}

TEST_F(Prune, Errors) {
  struct Case {
    const char* target;
    const char* message;
  };
  for (const auto& [target, message] :
       {Case{"/images/prune?filters={\"x\":[\"1\"]}", "invalid filter 'x'"},
        Case{"/images/prune?filters={\"reference\":[\"a\"]}", "invalid filter 'reference'"},
        Case{"/images/prune?filters=[", "invalid filter"},
        Case{"/images/prune?filters={\"dangling\":[\"maybe\"]}", "invalid filter 'dangling=[maybe]'"},
        Case{"/images/prune?filters={\"until\":[\"1h\",\"2h\"]}", "more than one until filter specified"},
        Case{"/v1.24/images/prune", "POST /images/prune requires minimum API version 1.25"}}) {
    const FakeResponse response = ask({"POST", target});
    EXPECT_EQ(response.status, 400) << target;
    EXPECT_EQ(message_of(response), message);
  }
  EXPECT_TRUE(message_of(ask({"POST", "/images/prune?filters={\"until\":[\"soon\"]}"}))
                  .starts_with("invalid value for 'until' filter: "));
}

TEST_F(Prune, EventsEndWithThatOfThePrune) {
  const TestImage image = make_image();
  store_.publish(image, "a:1");
  const std::string reclaimed = prune(R"({"dangling":["false"]})")["SpaceReclaimed"].dump();
  events_.close();
  std::vector<std::string> lines;
  for (const std::string& line : get("/events?since=0").writes) {
    const Json event = Json::parse(line);
    lines.push_back(event["Action"].get<std::string>() + " " + event["Actor"].dump());
  }
  const std::string id = image.manifest.digest.to_string();
  EXPECT_EQ(lines, (std::vector<std::string>{R"(untag {"Attributes":{"name":"a:1"},"ID":")" + id + "\"}",
                                             R"(delete {"Attributes":{"name":")" + id + R"("},"ID":")" + id + "\"}",
                                             R"(prune {"Attributes":{"reclaimed":")" + reclaimed + R"("},"ID":""})"}));
}

TEST_F(Prune, TheRestOfSystemPruneHasNothingToDo) {
  const std::pair<const char*, const char*> reports[] = {
      {"/containers/prune", R"({"ContainersDeleted":null,"SpaceReclaimed":0})"},
      {"/networks/prune", R"({"NetworksDeleted":null})"},
      {"/volumes/prune", R"({"VolumesDeleted":null,"SpaceReclaimed":0})"},
      {"/build/prune?all=1&filters=", R"({"CachesDeleted":null,"SpaceReclaimed":0})"}};
  for (const auto& [target, body] : reports) {
    const FakeResponse response = ask({"POST", target});
    EXPECT_EQ(response.status, 200) << target;
    EXPECT_EQ(response.body, std::string(body) + "\n");
  }
}

class DiskUsage : public EngineTest {};

TEST_F(DiskUsage, OfNothing) {
  EXPECT_EQ(get("/v1.51/system/df").body, "{\"Images\":[],\"Containers\":[],\"Volumes\":[],\"BuildCache\":[]}\n");
  EXPECT_EQ(get("/v1.52/system/df?verbose=1").body,
            "{\"ImageUsage\":{},\"ContainerUsage\":{},\"VolumeUsage\":{},\"BuildCacheUsage\":{}}\n");
  EXPECT_EQ(get_json("/v1.41/system/df")["BuilderSize"], 0);
}

TEST_F(DiskUsage, CountsSharedBlobsOnce) {
  const TestImage first = make_image({.layers = {std::string(1000, 's'), std::string(100, 'a')}});
  const TestImage second = make_image({.layers = {std::string(1000, 's'), std::string(200, 'b')}});
  store_.publish(first, "a:1");
  store_.publish(second, "b:1");
  std::int64_t total = 0;
  for (const std::string& digest : store_.files())
    total += static_cast<std::int64_t>(std::filesystem::file_size(store_.root() / "blobs/sha256" / digest.substr(7)));
  for (const char* version : {"/v1.22", "/v1.43", "/v1.51", "/v1.52", ""}) {
    const Json usage = get_json(std::string(version) + "/system/df");
    EXPECT_EQ(usage["LayersSize"], total) << version;
    ASSERT_EQ(usage["Images"].size(), 2u);
    for (const Json& image : usage["Images"]) {
      EXPECT_EQ(image["SharedSize"], 1000);
      EXPECT_EQ(image["Containers"], 0);
      EXPECT_EQ(image.contains("VirtualSize"), std::string(version) == "/v1.22" || std::string(version) == "/v1.43");
    }
  }
  const Json usage = get_json("/v1.52/system/df?verbose=1");
  EXPECT_FALSE(usage.contains("LayersSize"));
  EXPECT_FALSE(usage.contains("Images"));
  const Json& images = usage["ImageUsage"];
  EXPECT_EQ(images["TotalCount"], 2);
  EXPECT_EQ(images["TotalSize"], total);
  EXPECT_EQ(images["Reclaimable"], total - 1000) << "what is shared goes with neither alone";
  EXPECT_EQ(images["Items"].size(), 2u);
  EXPECT_FALSE(images.contains("ActiveCount"));
  EXPECT_FALSE(get_json("/v1.52/system/df")["ImageUsage"].contains("Items"));
}

TEST_F(DiskUsage, WhatNothingNeedsIsNoImages) {
  const std::string remains(500, 'x');
  store_.put("application/octet-stream", remains, store_.content().make_lease("test"));
  EXPECT_EQ(get_json("/v1.51/system/df")["LayersSize"], 500);
  EXPECT_EQ(get_json("/v1.52/system/df?verbose=1")["ImageUsage"], Json::object());
  EXPECT_EQ(get_json("/v1.52/system/df")["ImageUsage"], Json::object());
  const TestImage image = make_image({.layers = {std::string(100, 'a')}});
  store_.publish(image, "a:1");
  const std::int64_t bytes = image.manifest.size_bytes + image.config.size_bytes + 100;
  const Json usage = get_json("/v1.52/system/df");
  EXPECT_EQ(usage["LayersSize"], bytes + 500);
  EXPECT_EQ(usage["ImageUsage"], (Json{{"Reclaimable", bytes}, {"TotalCount", 1}, {"TotalSize", bytes}}));
}

TEST_F(DiskUsage, ADanglingImageHasNullNames) {
  store_.publish(make_image({.layers = {"old"}}), "a:1");
  store_.publish(make_image({.layers = {"new"}}), "a:1");
  for (const char* version : {"/v1.22", "/v1.44", "/v1.51"}) {
    int dangling = 0;
    const Json usage = get_json(std::string(version) + "/system/df");
    for (const Json& image : usage["Images"]) {
      if (!image["RepoTags"].is_null()) continue;
      EXPECT_TRUE(image["RepoDigests"].is_null());
      ++dangling;
    }
    EXPECT_EQ(dangling, 1) << version;
  }
}

TEST_F(DiskUsage, Types) {
  store_.publish(make_image(), "a:1");
  const Json images = get_json("/v1.44/system/df?type=image");
  EXPECT_TRUE(images.contains("LayersSize"));
  EXPECT_TRUE(images.contains("Images"));
  EXPECT_EQ(images.size(), 2u);
  EXPECT_EQ(get("/v1.44/system/df?type=volume&type=build-cache").body, "{\"Volumes\":[],\"BuildCache\":[]}\n");
  EXPECT_EQ(get("/v1.52/system/df?type=container&verbose=1").body, "{\"ContainerUsage\":{}}\n");
  EXPECT_EQ(get_json("/v1.41/system/df?type=volume").size(), 6u) << "unknown to that version";
  const FakeResponse bad = get("/v1.42/system/df?type=x");
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(message_of(bad), "unknown object type: x");
}

}  // namespace
}  // namespace lighterd::tests
