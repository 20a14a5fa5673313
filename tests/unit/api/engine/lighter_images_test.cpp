// SPDX-License-Identifier: Apache-2.0
// Our own paths about platforms.
#include "tests/support/fake_registry.hpp"
#include "tests/unit/api/engine/engine_fixture.hpp"

namespace lighterd::tests {
namespace {

class LighterImages : public EngineTest {
 protected:
  LighterImages() {
    for (const TestImage& image : {amd64_, arm64_, note_}) {
      for (const auto& [descriptor, bytes] : image.layers) registry_.add_blob("app", bytes, descriptor.media_type);
      registry_.add_blob("app", image.config_bytes, image.config.media_type);
      registry_.add_manifest("app", std::nullopt, image.manifest.media_type, image.manifest_bytes);
    }
    registry_.add_manifest("app", "latest", index_.first.media_type, index_.second);
  }
  FakeResponse pull(const std::string& query) {
    return ask({"POST", "/lighter/v1/images/pull?fromImage=" + name() + query});
  }
  FakeResponse push(const std::string& query) {
    return ask({"POST", "/lighter/v1/images/" + name() + "/push?tag=some" + query});
  }
  std::string name() const { return registry_.host() + "/app"; }
  Json platforms() { return get_json("/lighter/v1/images/" + name() + "/platforms"); }
  static std::string last_error(const FakeResponse& response) {
    return Json::parse(response.writes.back()).value("error", "none");
  }

  FakeRegistry registry_;
  const TestImage amd64_ = make_image({.layers = {"shared", "amd64"}});
  const TestImage arm64_ = make_image({.architecture = "arm64", .layers = {"shared", "arm64"}});
  const TestImage note_ = make_attestation(amd64_);
  const std::pair<oci::Descriptor, std::string> index_ =
      make_index({{amd64_, linux_on("amd64")}, {arm64_, linux_on("arm64", "v8")}, {note_, linux_on("unknown")}});
};

TEST_F(LighterImages, SeveralPlatformsComeInOnePull) {
  const FakeResponse response = pull("&platform=linux/amd64&platform=linux/arm64");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(last_error(response), "none");
  const Json shown = platforms();
  EXPECT_EQ(shown["Id"], index_.first.digest.to_string());
  EXPECT_EQ(shown["Complete"], true);
  ASSERT_EQ(shown["Platforms"].size(), 2u);
  EXPECT_EQ(shown["Platforms"][0]["Platform"], "linux/amd64");
  EXPECT_EQ(shown["Platforms"][0]["Attestations"][0]["Digest"], note_.manifest.digest.to_string());
  EXPECT_EQ(shown["Platforms"][1]["Attestations"], Json::array());
}

TEST_F(LighterImages, PlatformsTellWhatIsHereInPart) {
  pull("&platform=linux/arm64");
  const Json shown = platforms();
  EXPECT_EQ(shown["Complete"], false);
  EXPECT_EQ(shown["Platforms"][0]["Complete"], false);
  EXPECT_EQ(shown["Platforms"][0]["Size"], 0);
  EXPECT_EQ(shown["Platforms"][0]["Attestations"][0]["Complete"], false);
  EXPECT_EQ(shown["Platforms"][1]["Complete"], true);
  std::int64_t size = arm64_.manifest.size_bytes + arm64_.config.size_bytes;
  for (const auto& [layer, bytes] : arm64_.layers) size += layer.size_bytes;
  EXPECT_EQ(shown["Platforms"][1]["Size"], size);
  EXPECT_EQ(shown["Size"], size + index_.first.size_bytes);
}

TEST_F(LighterImages, AllIsWholeAndWithoutAPlatformItIsTheHosts) {
  pull("");
  EXPECT_EQ(platforms()["Complete"], false);
  pull("&platform=all");
  EXPECT_EQ(platforms()["Complete"], true);
}

TEST_F(LighterImages, AMissingPlatformIsAnErrorThatListsTheOthers) {
  const FakeResponse response = pull("&platform=linux/amd64&platform=linux/s390x");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(message_of(response),
            "no matching manifest for linux/s390x in the manifest list entries: no match for platform in manifest: not "
            "found; there is linux/amd64, linux/arm64/v8");
}

TEST_F(LighterImages, PushOfSomeIsAnIndexOfThem) {
  pull("&platform=all");
  store_.images().tag(index_.first.digest, oci::parse_reference(name() + ":some"));
  EXPECT_EQ(last_error(push("&platform=linux/amd64")), "none");
  EXPECT_EQ(registry_.find_manifest("app", "some")->second, amd64_.manifest_bytes);
  EXPECT_EQ(last_error(push("&platform=linux/amd64&platform=linux/arm64/v8")), "none");
  EXPECT_EQ(registry_.find_manifest("app", "some")->second, index_.second);
  EXPECT_EQ(last_error(push("&platform=all")), "none");
  EXPECT_EQ(last_error(push("&platform=linux/amd64&platform=linux/s390x")),
            "image with reference " + name() +
                ":some was found but does not provide the specified platform (linux/s390x); there is linux/amd64, "
                "linux/arm64");
}

TEST_F(LighterImages, PushOfAllNamesWhatIsMissing) {
  store_.publish_index(index_, {amd64_}, "127.0.0.1:1/x:1");
  store_.publish_index(index_, {amd64_}, registry_.host() + "/other:some");
  const FakeResponse response =
      ask({"POST", "/lighter/v1/images/" + registry_.host() + "/other/push?tag=some&platform=all"});
  EXPECT_EQ(last_error(response),
            "not all platforms of " + registry_.host() + "/other:some are here; missing: linux/arm64/v8 (" +
                arm64_.manifest.digest.to_string() + "), the attestation of " + amd64_.manifest.digest.to_string());
}

TEST_F(LighterImages, ANestedIndexThatIsNotHereIsMissed) {
  const auto nested = make_index({{make_image({.architecture = "s390x"}), linux_on("s390x")}});
  const TestImage below{.manifest = nested.first,
                        .manifest_bytes = nested.second,
                        .config = nested.first,
                        .config_bytes = {},
                        .layers = {}};
  const auto index = make_index({{amd64_, linux_on("amd64")}, {arm64_, linux_on("arm64")}, {below, linux_on("s390x")}});
  store_.publish_index(index, {amd64_, arm64_}, name() + ":some");
  EXPECT_EQ(get_json("/lighter/v1/images/" + name() + ":some/platforms")["Complete"], false);
  EXPECT_EQ(get_json("/v1.48/images/json?manifests=1")[0]["Manifests"][2]["Kind"], "unknown");
  EXPECT_EQ(last_error(push("&platform=all")),
            "not all platforms of " + name() + ":some are here; missing: " + nested.first.digest.to_string());
  EXPECT_EQ(last_error(push("&platform=linux/amd64&platform=linux/arm64")), "none");
  const auto manifest = registry_.find_manifest("app", "some");
  ASSERT_TRUE(manifest);
  const Json pushed = Json::parse(manifest->second);
  ASSERT_EQ(pushed["manifests"].size(), 2u);
  EXPECT_EQ(pushed["manifests"][1]["digest"], arm64_.manifest.digest.to_string());
}

TEST_F(LighterImages, ParametersAreChecked) {
  struct Case {
    const char* query;
    const char* message;
  };
  for (const auto& [query, message] :
       {Case{"?platform=all", "fromImage must be given"},
        Case{"?fromImage=a&platform=all&platform=linux/amd64", "platform=all goes with no other platform"},
        Case{"?fromImage=a&platform=foobar", "\"foobar\": unknown operating system or architecture: invalid argument"},
        Case{"?fromImage=BAD", "invalid reference format: repository name (library/BAD) must be lowercase"}}) {
    const FakeResponse response = ask({"POST", std::string("/lighter/v1/images/pull") + query});
    EXPECT_EQ(response.status, 400) << query;
    EXPECT_EQ(message_of(response), message);
  }
  std::string many = "?fromImage=a";
  for (int i = 0; i < 65; ++i) many += "&platform=linux/amd64";
  EXPECT_EQ(message_of(ask({"POST", "/lighter/v1/images/pull" + many})), "more than 64 platforms");
  const FakeResponse unknown = get("/lighter/v1/images/nope/platforms");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(message_of(unknown), "No such image: nope:latest");
}

TEST_F(LighterImages, ThePathsTakeNoVersionOfDockers) {
  EXPECT_EQ(get("/v1.44/lighter/v1/images/a/platforms").status, 404);
  EXPECT_EQ(message_of(get("/v1.44/lighter/v1/images/a/platforms")), "page not found");
  EXPECT_EQ(message_of(get("/lighter/v1/images/pull")), "page not found");
  EXPECT_EQ(message_of(get("/lighter/v2/images/a/platforms")), "page not found");
}

}  // namespace
}  // namespace lighterd::tests
