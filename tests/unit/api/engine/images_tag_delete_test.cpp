// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <latch>
#include <thread>

#include "tests/unit/api/engine/engine_fixture.hpp"

namespace lighterd::tests {
namespace {

class Tag : public EngineTest {
 protected:
  FakeResponse tag(const std::string& source, const std::string& query) {
    return ask({"POST", "/v1.44/images/" + source + "/tag" + query});
  }
};

TEST_F(Tag, Is201WithoutBody) {
  const TestImage image = make_image();
  store_.publish(image, "a:1");
  const std::string id = image.manifest.digest.to_string();
  const std::pair<std::string, std::string> good[] = {{"?repo=b", "b:latest"},
                                                      {"?repo=b&tag=2", "b:2"},
                                                      {"?repo=c:3", "c:3"},
                                                      {"?repo=c:3&tag=4&force=1", "c:4"},
                                                      {"?repo=localhost:5000/x/y&tag=z", "localhost:5000/x/y:z"}};
  for (const auto& [query, name] : good) {
    const FakeResponse response = tag("a:1", query);
    EXPECT_EQ(response.status, 201) << query;
    EXPECT_EQ(response.body, "");
    EXPECT_EQ(get_json("/images/" + name + "/json")["Id"], id) << name;
  }
  for (const std::string& source : {id, id.substr(7), id.substr(7, 6), "a@" + id, image.config.digest.to_string()})
    EXPECT_EQ(tag(source, "?repo=other").status, 201) << source;
}

TEST_F(Tag, ParametersMayComeAsForm) {
  store_.publish(make_image(), "a:1");
  const FakeResponse response = ask({.method = "POST",
                                     .target = "/images/a:1/tag",
                                     .headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
                                     .body = "repo=form&tag=1"});
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(get("/images/form:1/json").status, 200);
  const FakeResponse large = ask({.method = "POST",
                                  .target = "/images/a:1/tag?repo=x",
                                  .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                                  .body = std::string(65 * 1024, 'a')});
  EXPECT_EQ(large.status, 400);
}

TEST_F(Tag, MovesAnExistingTagSilently) {
  const TestImage first = make_image();
  const TestImage second = make_image({.layers = {"other"}});
  store_.publish(first, "a:1");
  store_.publish(second, "b:1");
  EXPECT_EQ(tag("b:1", "?repo=a&tag=1").status, 201);
  EXPECT_EQ(get_json("/images/a:1/json")["Id"], second.manifest.digest.to_string());
  EXPECT_EQ(get_json("/images/" + first.manifest.digest.to_string() + "/json")["RepoTags"], Json::array());
}

TEST_F(Tag, Errors) {
  store_.publish(make_image(), "a:1");
  struct Case {
    const char* source;
    std::string query;
    int status;
    const char* message;
  };
  for (const auto& [source, query, status, message] :
       {Case{"nope", "?repo=b", 404, "No such image: nope:latest"},
        Case{"BAD", "?repo=b", 404, "invalid reference format: repository name (library/BAD) must be lowercase"},
        Case{"a:1", "?repo=BAD", 400, "invalid reference format: repository name (library/BAD) must be lowercase"},
        Case{"nope", "?repo=BAD", 400, "invalid reference format: repository name (library/BAD) must be lowercase"},
        Case{"a:1", "?repo=b&tag=-x", 400, "invalid tag format"},
        Case{"a:1", "?repo=b@sha256:" + std::string(64, 'a'), 400, "cannot import digest reference"},
        Case{"a:1", "?repo=sha256&tag=1", 400, "refusing to create an ambiguous tag using digest algorithm as name"},
        Case{"a:1", "?tag=1", 400, "the repository name (repo) must be given"}}) {
    const FakeResponse response = tag(source, query);
    EXPECT_EQ(response.status, status) << source << query;
    EXPECT_EQ(message_of(response), message) << source << query;
  }
}

class Delete : public EngineTest {
 protected:
  void SetUp() override {
    store_.publish(image_, "a:1");
    id_ = image_.manifest.digest.to_string();
  }
  void add_tag(const std::string& name) { store_.images().tag(image_.manifest.digest, oci::parse_reference(name)); }
  void add_digest_reference(const std::string& repository) {
    imagestore::Publication publication{.target = image_.manifest};
    const auto lease = store_.content().make_lease("test");
    store_.put_content(image_, lease);
    publication.manifests.push_back({image_.manifest,
                                     oci::parse_document(image_.manifest_bytes, image_.manifest.media_type, "test"),
                                     oci::parse_image_config(image_.config_bytes)});
    publication.name = oci::parse_reference(repository + "@" + id_);
    store_.images().publish(publication);
  }
  FakeResponse remove(const std::string& name) { return ask({"DELETE", "/v1.50/images/" + name}); }
  // "-name" for Untagged, "Deleted" for the image.
  std::vector<std::string> removed(const std::string& name) {
    const FakeResponse response = remove(name);
    EXPECT_EQ(response.status, 200) << response.body;
    std::vector<std::string> result;
    for (const Json& item : Json::parse(response.body)) {
      EXPECT_EQ(item.size(), 1u);
      if (item.contains("Untagged")) result.push_back("-" + item["Untagged"].get<std::string>());
      if (item.contains("Deleted")) result.push_back(item["Deleted"] == id_ ? "Deleted" : item["Deleted"].dump());
    }
    return result;
  }
  bool exists() { return get("/images/" + id_ + "/json").status == 200; }

  TestImage image_ = make_image();
  std::string id_;
};

using Removed = std::vector<std::string>;

TEST_F(Delete, LastNameTakesTheImage) {
  EXPECT_EQ(remove("a:1").body, R"([{"Untagged":"a:1"},{"Deleted":")" + id_ + "\"}]\n");
  EXPECT_FALSE(exists());
  EXPECT_TRUE(store_.files().empty());
}

TEST_F(Delete, OneOfManyAtOnceDoesIt) {
  for (int round = 0; round < 20; ++round) {
    store_.publish(image_, "a:1");
    std::atomic<int> removed{0};
    std::atomic<int> missing{0};
    std::latch together(4);
    std::vector<std::jthread> clients;
    for (int i = 0; i < 4; ++i)
      clients.emplace_back([&] {
        together.arrive_and_wait();
        const FakeResponse response = remove("a:1");
        if (response.status == 200) ++removed;
        if (response.status == 404 && message_of(response) == "No such image: a:1") ++missing;
      });
    clients.clear();
    EXPECT_EQ(removed, 1);
    EXPECT_EQ(missing, 3);
  }
}

TEST_F(Delete, OneOfSeveralNamesIsOnlyUntagged) {
  add_tag("b:1");
  EXPECT_EQ(removed("a:1"), (Removed{"-a:1"}));
  EXPECT_TRUE(exists());
  EXPECT_EQ(removed("b:1"), (Removed{"-b:1", "Deleted"}));
}

TEST_F(Delete, ForceWithANameLeavesTheOthers) {
  add_tag("b:1");
  EXPECT_EQ(removed("a:1?force=1"), (Removed{"-a:1"}));
  EXPECT_TRUE(exists());
}

TEST_F(Delete, DefaultTagIsLatest) {
  add_tag("c:latest");
  EXPECT_EQ(removed("c"), (Removed{"-c:latest"}));
  EXPECT_EQ(message_of(remove("a")), "No such image: a:latest");
}

TEST_F(Delete, DigestReferenceGoesWithTheLastTagOfItsRepository) {
  add_digest_reference("a");
  add_tag("a:2");
  EXPECT_EQ(removed("a:1"), (Removed{"-a:1"}));
  EXPECT_EQ(removed("a:2"), (Removed{"-a:2", "-a@" + id_, "Deleted"}));
}

TEST_F(Delete, DigestReferenceOfAnotherRepositoryKeepsTheImage) {
  add_digest_reference("b");
  EXPECT_EQ(removed("a:1"), (Removed{"-a:1"}));
  EXPECT_TRUE(exists());
  EXPECT_EQ(removed("b@" + id_), (Removed{"-b@" + id_, "Deleted"}));
}

TEST_F(Delete, NameAtDigestTakesEveryNameOfTheRepository) {
  add_tag("a:2");
  add_digest_reference("a");
  add_tag("b:1");
  EXPECT_EQ(removed("a%40" + id_), (Removed{"-a:1", "-a:2", "-a@" + id_}));
  EXPECT_TRUE(exists());
  EXPECT_EQ(removed("b:9@" + id_), (Removed{"-b:1", "Deleted"}));
}

TEST_F(Delete, IdWithOneTagTakesEverything) {
  add_digest_reference("a");
  EXPECT_EQ(removed(id_.substr(7, 12)), (Removed{"-a:1", "-a@" + id_, "Deleted"}));
}

TEST_F(Delete, IdWithoutNamesTakesTheImage) {
  store_.images().remove({.image = image_.manifest.digest, .names = {oci::parse_reference("a:1")}});
  store_.publish(image_, "");
  EXPECT_EQ(removed(id_), (Removed{"Deleted"}));
}

TEST_F(Delete, ConfigDigestIsAnotherId) {
  EXPECT_EQ(removed(image_.config.digest.to_string()), (Removed{"-a:1", "Deleted"}));
}

TEST_F(Delete, IdWithSeveralTagsNeedsForce) {
  add_tag("a:2");
  const std::string conflict = "conflict: unable to delete " + id_.substr(7, 12) +
                               " (must be forced) - image is referenced in multiple repositories";
  for (const std::string& name : {id_, id_.substr(7), id_.substr(7, 4), id_ + "?force=0"}) {
    const FakeResponse response = remove(name);
    EXPECT_EQ(response.status, 409) << name;
    EXPECT_EQ(message_of(response), conflict) << name;
  }
  EXPECT_TRUE(exists());
  EXPECT_EQ(removed(id_ + "?force=True"), (Removed{"-a:1", "-a:2", "Deleted"}));
  EXPECT_FALSE(exists());
}

TEST_F(Delete, IdWithNamesInTwoRepositoriesNeedsForce) {
  add_digest_reference("b");
  EXPECT_EQ(remove(id_).status, 409);
  EXPECT_EQ(removed(id_ + "?force=1"), (Removed{"-a:1", "-b@" + id_, "Deleted"}));
}

TEST_F(Delete, NameWinsOverId) {
  const std::string prefix = id_.substr(7, 8);
  const TestImage other = make_image({.layers = {"other"}});
  store_.publish(other, prefix + ":latest");
  const Json items = Json::parse(remove(prefix).body);
  EXPECT_EQ(items[0]["Untagged"], prefix + ":latest");
  EXPECT_EQ(items[1]["Deleted"], other.manifest.digest.to_string());
  EXPECT_TRUE(exists());
}

TEST_F(Delete, SharedContentStays) {
  store_.publish(make_image({.created = "2020-01-01T00:00:00Z"}), "b:1");  // the same layers
  EXPECT_EQ(removed("a:1"), (Removed{"-a:1", "Deleted"}));
  EXPECT_EQ(store_.files().size(), 4u);
}

TEST_F(Delete, Errors) {
  struct Case {
    const char* name;
    int status;
    const char* message;
  };
  for (const auto& [name, status, message] :
       {Case{"nope", 404, "No such image: nope:latest"}, Case{"%20", 400, "image name cannot be blank"},
        Case{"BAD", 400, "invalid reference format: repository name (library/BAD) must be lowercase"},
        Case{"a:1?platforms=x", 400, "failed to parse platform: json: syntax error at byte 1"},
        Case{"a:1?platforms=%7B%22os%22:%22linux%22,%22architecture%22:%22amd64%22%7D", 400,
             "Content will be removed from all images referencing this variant. Use \xE2\x80\x94-force to force "
             "delete."}}) {
    const FakeResponse response = remove(name);
    EXPECT_EQ(response.status, status) << name;
    EXPECT_EQ(message_of(response), message) << name;
  }
  EXPECT_TRUE(exists());
}

std::string platform_query(const std::string& architecture) {
  return "&platforms=%7B%22os%22:%22linux%22,%22architecture%22:%22" + architecture + "%22%7D";
}

class DeletePlatforms : public EngineTest {
 protected:
  DeletePlatforms() { store_.publish_index(index_, {amd64_, arm64_}, "multi:1"); }
  FakeResponse remove(const std::string& query, const std::string& version = "1.50") {
    return ask({"DELETE", "/v" + version + "/images/multi:1?" + query});
  }
  std::vector<bool> available() {
    std::vector<bool> result;
    const Json shown = get_json("/v1.48/images/multi:1/json?manifests=1");
    for (const Json& manifest : shown["Manifests"]) result.push_back(manifest["Available"]);
    return result;
  }

  const TestImage amd64_ = make_image({.layers = {"shared", "amd64"}});
  const TestImage arm64_ = make_image({.architecture = "arm64", .layers = {"shared", "arm64"}});
  const std::pair<oci::Descriptor, std::string> index_ =
      make_index({{amd64_, linux_on("amd64")}, {arm64_, linux_on("arm64", "v8")}});
};

TEST_F(DeletePlatforms, OneGoesAndTheOthersStay) {
  const FakeResponse response = remove("force=1" + platform_query("arm64"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"([{"Deleted":")" + arm64_.manifest.digest.to_string() + "\"}]\n");
  EXPECT_EQ(available(), (std::vector<bool>{true, false}));
  EXPECT_EQ(remove("force=1" + platform_query("arm64")).status, 404);
}

TEST_F(DeletePlatforms, SeveralAtOnceLeaveTheImageWithItsNames) {
  const FakeResponse response = remove("force=1" + platform_query("arm64") + platform_query("amd64"));
  EXPECT_EQ(Json::parse(response.body).size(), 2u);
  EXPECT_EQ(available(), (std::vector<bool>{false, false}));
  const Json shown = get_json("/v1.50/images/json")[0];
  EXPECT_EQ(shown["RepoTags"], Json::array({"multi:1"}));
  EXPECT_EQ(shown["Created"], 0);
  EXPECT_EQ(shown["Size"], index_.first.size_bytes);
  EXPECT_EQ(get("/v1.50/images/multi:1/json").status, 200);
}

TEST_F(DeletePlatforms, NothingGoesUnlessAllAreThere) {
  const FakeResponse response = remove("force=1" + platform_query("arm64") + platform_query("s390x"));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(message_of(response),
            "image with reference multi:1 was found but does not provide the specified platform (linux/s390x)");
  EXPECT_EQ(available(), (std::vector<bool>{true, true}));
}

TEST_F(DeletePlatforms, AreMatchedStrictly) {
  EXPECT_EQ(remove("force=1&platforms=%7B%22os%22:%22linux%22,%22architecture%22:%22amd64%22,"
                   "%22variant%22:%22v3%22%7D")
                .status,
            404);
  EXPECT_EQ(remove("force=1&platforms=%7B%22os%22:%22linux%22,%22architecture%22:%22arm64%22,"
                   "%22variant%22:%22v8%22%7D")
                .status,
            200);
}

TEST_F(DeletePlatforms, AreIgnoredBefore150) {
  const FakeResponse response = remove(platform_query("arm64"), "1.49");
  EXPECT_EQ(Json::parse(response.body)[0]["Untagged"], "multi:1");
}

}  // namespace
}  // namespace lighterd::tests
