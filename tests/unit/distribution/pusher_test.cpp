// SPDX-License-Identifier: Apache-2.0
#include "distribution/pusher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/distribution_fixture.hpp"

namespace lighterd::distribution {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;
using tests::DistributionFixture;
using tests::make_image;
using tests::RecordingProgress;

// The same image with other members in its manifest.
tests::TestImage with_members(tests::TestImage image, const nlohmann::json& members) {
  auto manifest = nlohmann::json::parse(image.manifest_bytes);
  manifest.update(members);
  image.manifest_bytes = manifest.dump();
  image.manifest = tests::descriptor_of(image.manifest.media_type, image.manifest_bytes);
  return image;
}

class PusherTest : public testing::Test, public DistributionFixture {
 protected:
  void publish(const tests::TestImage& image, const std::string& rest) { store.publish(image, name(rest)); }
  std::vector<std::string> push_lines(const std::string& repository, const std::optional<std::string>& tag) {
    RecordingProgress progress;
    push(repository, tag, progress);
    return progress.lines();
  }
  std::string push_error(const std::string& repository, const std::optional<std::string>& tag) {
    RecordingProgress progress;
    try {
      push(repository, tag, progress);
    } catch (const base::Error& error) {
      EXPECT_EQ(progress.lines().front(), "The push refers to repository [" + name(repository) + "]");
      return error.text();
    }
    return "nothing was thrown";
  }
};

TEST_F(PusherTest, SendsBlobsThenManifestAndKeepsEveryByte) {
  const auto image = make_image();
  publish(image, "app:1");
  const auto lines = push_lines("app", "1");
  EXPECT_EQ(lines.front(), "The push refers to repository [" + name("app") + "]");
  for (const auto& [layer, bytes] : image.layers) EXPECT_THAT(lines, Contains(layer.digest.short_hex() + ": Pushed"));
  EXPECT_EQ(lines[lines.size() - 2], "1: digest: " + image.manifest.digest.to_string() +
                                         " size: " + std::to_string(image.manifest_bytes.size()));
  EXPECT_EQ(lines.back(), R"(aux: {"Tag":"1","Digest":")" + image.manifest.digest.to_string() + R"(","Size":)" +
                              std::to_string(image.manifest_bytes.size()) + "}");
  const auto pushed = registry.find_manifest("app", "1");
  ASSERT_TRUE(pushed);
  EXPECT_EQ(*pushed, std::pair(image.manifest.media_type, image.manifest_bytes));
  EXPECT_EQ(registry.find_blob("app", image.config.digest.to_string()), image.config_bytes);
  const auto requests = registry.requests("PUT");
  EXPECT_EQ(requests.back().path, "/v2/app/manifests/1");
}

TEST_F(PusherTest, SendsNothingThatIsThere) {
  const auto image = make_image();
  publish(image, "app:1");
  push_lines("app", "1");
  registry.clear_requests();
  const auto lines = push_lines("app", "1");
  EXPECT_THAT(lines, Contains(image.layers[0].first.digest.short_hex() + ": Layer already exists"));
  EXPECT_EQ(registry.count("PUT", "*"), 0U);
  EXPECT_EQ(registry.count("POST", "*"), 0U);
}

TEST_F(PusherTest, MountsFromTheNearestRepositoryThatIsKnown) {
  const auto image = make_image();
  publish(image, "team/app:1");
  push_lines("team/app", "1");
  store.images().tag(image.manifest.digest, oci::parse_reference(name("team/copy:2")));
  registry.clear_requests();
  const auto lines = push_lines("team/copy", "2");
  for (const auto& [layer, bytes] : image.layers)
    EXPECT_THAT(lines, Contains(layer.digest.short_hex() + ": Mounted from team/app"));
  EXPECT_EQ(registry.count("PUT", "/v2/team/copy/blobs/*"), 0U);
  EXPECT_TRUE(registry.find_manifest("team/copy", "2"));
}

TEST_F(PusherTest, PushesEveryTagOfARepository) {
  publish(make_image({.layers = {"a"}}), "app:a");
  publish(make_image({.layers = {"b"}}), "app:b");
  push_lines("app", std::nullopt);
  EXPECT_TRUE(registry.find_manifest("app", "a"));
  EXPECT_TRUE(registry.find_manifest("app", "b"));
}

TEST_F(PusherTest, SaysWhatIsNotHere) {
  EXPECT_EQ(push_error("app", "1"), "tag does not exist: " + name("app:1"));
  EXPECT_EQ(push_error("app", std::nullopt), "An image does not exist locally with the tag: " + name("app"));
}

struct TwoPlatforms {
  tests::TestImage amd64 = make_image({.architecture = "amd64", .layers = {"amd64"}});
  tests::TestImage arm64 = make_image({.architecture = "arm64", .layers = {"arm64"}});
  std::pair<oci::Descriptor, std::string> index = tests::make_index(
      {{arm64, {.architecture = "arm64", .os = "linux", .os_version = {}, .os_features = {}, .variant = {}}},
       {amd64, {.architecture = "amd64", .os = "linux", .os_version = {}, .os_features = {}, .variant = {}}}});
};

TEST_F(PusherTest, PushesAWholeIndexChildrenFirst) {
  const TwoPlatforms content;
  store.publish_index(content.index, {content.amd64, content.arm64}, name("app:1"));
  push_lines("app", "1");
  EXPECT_EQ(registry.find_manifest("app", "1")->second, content.index.second);
  const auto puts = registry.requests("PUT", "/v2/app/manifests/*");
  ASSERT_EQ(puts.size(), 3U);
  EXPECT_EQ(puts[2].path, "/v2/app/manifests/1");
}

TEST_F(PusherTest, PushesTheHostsPlatformOfAnIndexThatIsHereInPart) {
  const TwoPlatforms content;
  store.publish_index(content.index, {content.amd64}, name("app:1"));
  const auto lines = push_lines("app", "1");
  EXPECT_THAT(lines[1], StartsWith(R"(aux: {"manifestPushedInsteadOfIndex":true,"originalIndex":{)"));
  EXPECT_EQ(registry.find_manifest("app", "1")->second, content.amd64.manifest_bytes);
}

TEST_F(PusherTest, PushesAnIndexWholeWhoseMissingChildrenAreThere) {
  const TwoPlatforms content;
  store.publish_index(content.index, {content.amd64}, name("app:1"));
  serve("app", std::nullopt, content.arm64);
  const auto lines = push_lines("app", "1");
  for (const auto& line : lines) EXPECT_THAT(line, testing::Not(HasSubstr("InsteadOfIndex")));
  EXPECT_EQ(registry.find_manifest("app", "1")->second, content.index.second);
  EXPECT_EQ(registry.find_manifest("app", content.amd64.manifest.digest.to_string())->second,
            content.amd64.manifest_bytes);
  EXPECT_EQ(registry.count("PUT", "/v2/app/manifests/*"), 2U);
}

TEST_F(PusherTest, AsksOnceForWhatAnIndexNamesManyTimes) {
  const TwoPlatforms content;
  nlohmann::json outer = {{"schemaVersion", 2}, {"mediaType", oci::media_type::kOciIndex}};
  for (int i = 0; i < 100; ++i) outer["manifests"].push_back(oci::to_json(content.index.first));
  const std::string bytes = outer.dump();
  const auto lease = store.content().make_lease("test");
  store.put(content.index.first.media_type, content.index.second, lease);
  store.publish_index({tests::descriptor_of(oci::media_type::kOciIndex, bytes), bytes}, {content.amd64}, name("app:1"));
  // Whose child it does not have.
  registry.add_manifest("app", std::nullopt, content.index.first.media_type, content.index.second);
  push_lines("app", "1");
  EXPECT_EQ(registry.find_manifest("app", "1")->second, bytes);
  EXPECT_EQ(registry.count("HEAD", "/v2/app/manifests/" + content.arm64.manifest.digest.to_string()), 1U);
  EXPECT_EQ(registry.count("HEAD", "/v2/app/manifests/" + content.index.first.digest.to_string()), 1U);
}

TEST_F(PusherTest, PushesAnotherPlatformWhereTheHostsIsNotWhole) {
  const TwoPlatforms content;
  store.publish_index(content.index, {content.amd64, content.arm64}, name("app:1"));
  std::filesystem::remove(store.content().blob_path(content.amd64.layers[0].first.digest));
  const auto lines = push_lines("app", "1");
  EXPECT_THAT(lines[1], HasSubstr(R"("selectedManifest":{)"));
  EXPECT_EQ(registry.find_manifest("app", "1")->second, content.arm64.manifest_bytes);
  // Nothing of what cannot be pushed was sent.
  EXPECT_FALSE(registry.find_blob("app", content.amd64.config.digest.to_string()));
}

TEST_F(PusherTest, SaysThatContentIsMissing) {
  const auto image = make_image();
  publish(image, "app:1");
  std::filesystem::remove(store.content().blob_path(image.layers[1].first.digest));
  RecordingProgress progress;
  EXPECT_THROW(push("app", "1", progress), base::Error);
  EXPECT_THAT(progress.lines().back(), StartsWith(R"(aux: {"contentMissing":true,"desc":{)"));
  EXPECT_EQ(registry.requests("POST").size(), 0U);
}

TEST_F(PusherTest, PutsNestedIndexesBeforeWhatNamesThemAndTagsLast) {
  const TwoPlatforms content;
  nlohmann::json outer = {{"schemaVersion", 2}, {"mediaType", oci::media_type::kOciIndex}};
  outer["manifests"] = nlohmann::json::array({oci::to_json(content.index.first)});
  const std::string bytes = outer.dump();
  const auto lease = store.content().make_lease("test");
  store.put(content.index.first.media_type, content.index.second, lease);
  for (const std::string tag : {"app:1", "app:2"})
    store.publish_index({tests::descriptor_of(oci::media_type::kOciIndex, bytes), bytes},
                        {content.amd64, content.arm64}, name(tag));
  push_lines("app", std::nullopt);
  std::vector<std::string> put;
  for (const auto& request : registry.requests("PUT", "/v2/app/manifests/*"))
    put.push_back(request.path.substr(std::string("/v2/app/manifests/").size()));
  EXPECT_THAT(put,
              testing::ElementsAre(content.arm64.manifest.digest.to_string(), content.amd64.manifest.digest.to_string(),
                                   content.index.first.digest.to_string(), "1", "2"));
}

TEST_F(PusherTest, SaysThatARefusedIndexMissesContentThere) {
  const TwoPlatforms content;
  store.publish_index(content.index, {content.amd64, content.arm64}, name("app:1"));
  registry.add_fault({.method = "PUT",
                      .path = "/v2/app/manifests/1",
                      .status = 400,
                      .body = R"({"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]})"});
  EXPECT_THAT(
      push_error("app", "1"),
      StartsWith("manifest list/index references to blobs and/or manifests are missing in your target registry"));
}

TEST_F(PusherTest, KeepsTheListOfReferrersWhereTheRegistryDoesNot) {
  const auto subject = make_image();
  const auto referrer = [&](const std::string& note) {
    return with_members(make_image({.layers = {note}}), {{"subject", oci::to_json(subject.manifest)},
                                                         {"artifactType", "application/x-note"},
                                                         {"annotations", {{"note", note}}}});
  };
  const auto first = referrer("first");
  const auto second = referrer("second");
  publish(first, "app:first");
  publish(second, "app:second");
  push_lines("app", "first");
  push_lines("app", "second");
  push_lines("app", "second");
  const auto list = registry.find_manifest("app", "sha256-" + subject.manifest.digest.hex());
  ASSERT_TRUE(list);
  EXPECT_EQ(list->first, oci::media_type::kOciIndex);
  const auto entries = nlohmann::json::parse(list->second)["manifests"];
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0]["digest"], first.manifest.digest.to_string());
  EXPECT_EQ(entries[0]["size"], first.manifest.size_bytes);
  EXPECT_EQ(entries[0]["artifactType"], "application/x-note");
  EXPECT_EQ(entries[1]["annotations"]["note"], "second");
}

class LostReferrer : public PusherTest, public testing::WithParamInterface<int> {};
TEST_P(LostReferrer, IsListedAfterAll) {
  const auto subject = make_image();
  publish(with_members(make_image({.layers = {"x"}}), {{"subject", oci::to_json(subject.manifest)}}), "app:1");
  options.retry = {.max_attempts = GetParam(), .first_delay = std::chrono::milliseconds(1)};
  // Twice: over a connection that was kept it is sent once more without a word.
  registry.add_fault({.method = "PUT", .path = "/v2/app/manifests/1", .times = 2, .drop_answer = true});
  if (GetParam() == 1) {
    EXPECT_THAT(push_error("app", "1"), HasSubstr("EOF"));
  }
  push_lines("app", "1");
  EXPECT_TRUE(registry.find_manifest("app", "sha256-" + subject.manifest.digest.hex()));
}
INSTANTIATE_TEST_SUITE_P(WithAndWithoutRetries, LostReferrer, testing::Values(1, 3));

TEST_F(PusherTest, AReferrerThatCannotBePutTwiceIsPushed) {
  const auto subject = make_image();
  publish(with_members(make_image({.layers = {"x"}}), {{"subject", oci::to_json(subject.manifest)}}), "app:1");
  push_lines("app", "1");
  registry.add_fault({.method = "PUT", .path = "/v2/app/manifests/1", .status = 409});
  push_lines("app", "1");
  EXPECT_EQ(registry.count("PUT", "/v2/app/manifests/1"), 2U);
}

TEST_F(PusherTest, LeavesTheListOfReferrersToARegistryThatKeepsIt) {
  const auto subject = make_image();
  publish(with_members(make_image({.layers = {"x"}}), {{"subject", oci::to_json(subject.manifest)}}), "app:1");
  registry.add_fault({.method = "PUT",
                      .path = "/v2/app/manifests/1",
                      .headers = {{"OCI-Subject", subject.manifest.digest.to_string()}}});
  push_lines("app", "1");
  EXPECT_FALSE(registry.find_manifest("app", "sha256-" + subject.manifest.digest.hex()));
}

TEST_F(PusherTest, SendsForeignLayersOnlyWhereThatIsAllowed) {
  auto image = make_image();
  image.layers[0].first.media_type = "application/vnd.oci.image.layer.nondistributable.v1.tar";
  image.layers[1].first.media_type = image.layers[0].first.media_type;
  image = with_members(image, {{"layers", {oci::to_json(image.layers[0].first), oci::to_json(image.layers[1].first)}}});
  const auto absent = image.layers[1].first.digest.to_string();
  image.layers.pop_back();
  publish(image, "app:1");
  const auto here = image.layers[0].first.digest.to_string();
  push_lines("app", "1");
  EXPECT_EQ(registry.find_manifest("app", "1")->second, image.manifest_bytes);
  EXPECT_FALSE(registry.find_blob("app", here));
  options.foreign_layer_registries = {registry.host()};
  push_lines("app", "1");
  EXPECT_TRUE(registry.find_blob("app", here));
  EXPECT_FALSE(registry.find_blob("app", absent));
}

TEST_F(PusherTest, ShowsWhyAndHowLongItWaits) {
  const auto image = make_image({.layers = {"layer"}});
  publish(image, "app:1");
  const std::string digest = image.layers[0].first.digest.to_string();
  // Not the fast retries of the other tests: the line has to be seen.
  options.retry = {.max_attempts = 2, .first_delay = std::chrono::milliseconds(1500)};
  registry.add_fault({.method = "HEAD", .path = "/v2/app/blobs/" + digest, .status = 503});
  EXPECT_THAT(
      push_lines("app", "1"),
      Contains(testing::MatchesRegex(image.layers[0].first.digest.short_hex() +
                                     ": Retrying in [12] seconds? \\(received unexpected HTTP status: 503.*\\)")));
}

TEST_F(PusherTest, PushesExactlyThePlatformAskedFor) {
  const TwoPlatforms content;
  store.publish_index(content.index, {content.amd64, content.arm64}, name("app:1"));
  RecordingProgress progress;
  push("app", "1", progress, "arm64");
  EXPECT_EQ(registry.find_manifest("app", "1")->second, content.arm64.manifest_bytes);
  EXPECT_THROW(push("app", "1", progress, "s390x"), base::Error);
}

TEST_F(PusherTest, APlatformThatIsTwoManifestsIsAConflict) {
  const TwoPlatforms content;
  const auto index = tests::make_index({{content.amd64, host}, {content.arm64, host}, {make_image(), host}});
  store.publish_index(index, {content.amd64, make_image()}, name("app:1"));
  RecordingProgress progress;
  try {
    push("app", "1", progress, "amd64");
    FAIL() << "nothing was thrown";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kConflict);
    EXPECT_EQ(error.text(), "multiple manifests found for platform linux/amd64");
  }
}

TEST_F(PusherTest, ASubstituteHasToBeTheHostsPlatformOrTheOnlyOne) {
  const auto platform_of = [](const std::string& architecture) {
    return oci::Platform{
        .architecture = architecture, .os = "linux", .os_version = {}, .os_features = {}, .variant = {}};
  };
  const auto arm = make_image({.architecture = "arm64", .layers = {"arm"}});
  const auto riscv = make_image({.architecture = "riscv64", .layers = {"riscv"}});
  const auto index = tests::make_index(
      {{arm, platform_of("arm64")}, {riscv, platform_of("riscv64")}, {make_image(), platform_of("amd64")}});
  store.publish_index(index, {arm, riscv}, name("app:1"));
  EXPECT_EQ(push_error("app", "1"), "multiple matching manifests found but no specific platform requested");
  EXPECT_EQ(registry.requests("POST").size(), 0U);
}

TEST_F(PusherTest, NamesTheTagWhosePlatformIsNotHere) {
  const TwoPlatforms content;
  store.publish_index(content.index, {content.amd64}, name("app:1"));
  RecordingProgress progress;
  try {
    push("app", "1", progress, "arm64");
    FAIL() << "nothing was thrown";
  } catch (const PlatformMissing& error) {
    EXPECT_EQ(error.text(), "image with reference " + name("app:1") +
                                " was found but does not provide the specified platform (linux/arm64)");
    EXPECT_EQ(error.there(), std::vector<std::string>{"linux/amd64"});
  }
}

class PushOfSome : public PusherTest {
 protected:
  static oci::Platform linux_on(const std::string& architecture) {
    return {.architecture = architecture, .os = "linux", .os_version = {}, .os_features = {}, .variant = {}};
  }
  std::vector<std::string> push_these(PlatformChoice platforms) {
    const PushRequest request{.repository = oci::parse_reference(name("app")).repository(),
                              .tag = "1",
                              .platforms = std::move(platforms),
                              .context = {}};
    RecordingProgress progress;
    Pusher(services()).push(request, progress, {});
    return progress.lines();
  }

  const tests::TestImage amd64 = make_image({.layers = {"shared", "amd64"}});
  const tests::TestImage arm64 = make_image({.architecture = "arm64", .layers = {"shared", "arm64"}});
  const tests::TestImage riscv64 = make_image({.architecture = "riscv64", .layers = {"shared", "riscv64"}});
  const tests::TestImage note = tests::make_attestation(arm64);
  const std::pair<oci::Descriptor, std::string> index = tests::make_index({{amd64, linux_on("amd64")},
                                                                           {arm64, linux_on("arm64")},
                                                                           {riscv64, linux_on("riscv64")},
                                                                           {note, linux_on("unknown")}});
};

TEST_F(PushOfSome, SeveralPlatformsAreAnIndexOfTheirEntries) {
  store.publish_index(index, {amd64, arm64, note}, name("app:1"));
  push_these(PlatformChoice::these({linux_on("arm64"), linux_on("amd64")}));
  const auto [type, bytes] = registry.find_manifest("app", "1").value();
  EXPECT_EQ(type, oci::media_type::kOciIndex);
  const auto pushed = nlohmann::json::parse(bytes)["manifests"];
  const auto whole = nlohmann::json::parse(index.second)["manifests"];
  EXPECT_EQ(pushed, nlohmann::json::array({whole[0], whole[1], whole[3]}));
  for (const auto& image : {amd64, arm64, note})
    EXPECT_TRUE(registry.find_manifest("app", image.manifest.digest.to_string()));
  EXPECT_TRUE(registry.find_blob("app", note.layers[0].first.digest.to_string()));
  EXPECT_EQ(store.images().get_image(name("app:1")).target.digest, index.first.digest);
}

TEST_F(PushOfSome, EveryPlatformOfTheIndexIsTheIndexItself) {
  store.publish_index(index, {amd64, arm64, riscv64, note}, name("app:1"));
  push_these(PlatformChoice::these({linux_on("arm64"), linux_on("amd64"), linux_on("riscv64")}));
  EXPECT_EQ(registry.find_manifest("app", "1")->second, index.second);
}

TEST_F(PushOfSome, AllNamesWhatIsMissing) {
  store.publish_index(index, {amd64, arm64}, name("app:1"));
  try {
    push_these(PlatformChoice::all());
    FAIL() << "nothing was thrown";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kNotFound);
    EXPECT_EQ(error.text(), "not all platforms of " + name("app:1") + " are here; missing: linux/riscv64 (" +
                                riscv64.manifest.digest.to_string() + "), the attestation of " +
                                arm64.manifest.digest.to_string());
  }
  EXPECT_EQ(registry.requests("POST").size(), 0U);
  store.publish_index(index, {riscv64, note}, name("app:1"));
  push_these(PlatformChoice::all());
  EXPECT_EQ(registry.find_manifest("app", "1")->second, index.second);
}

TEST_F(PusherTest, ARefusedBlobEndsThePush) {
  const auto image = make_image();
  publish(image, "app:1");
  registry.add_fault(
      {.method = "POST",
       .path = "/v2/app/blobs/uploads/",
       .times = -1,
       .status = 403,
       .body = R"({"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]})"});
  EXPECT_THAT(push_error("app", "1"), HasSubstr("denied"));
  EXPECT_EQ(registry.count("PUT", "/v2/app/manifests/*"), 0U);
}

}  // namespace
}  // namespace lighterd::distribution
