// SPDX-License-Identifier: Apache-2.0
// When V1 is spoken, and what is said of registries, repositories, tags and images that are not there.
#include "distribution/remote_inspector.hpp"

#include <gtest/gtest.h>

#include "distribution/registry_error.hpp"
#include "distribution/remote_error.hpp"
#include "tests/support/distribution_fixture.hpp"
#include "tests/unit/distribution/registry_fixture.hpp"
#include "tests/unit/distribution/v1_content.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;
using V1Tags = std::vector<std::string>;

class RemoteInspectorTest : public testing::Test, protected tests::DistributionFixture {
 protected:
  RemoteInspectorTest() { options.retry.max_attempts = 1; }

  V1Tags list_tags() {
    return RemoteInspector(services()).list_tags(oci::parse_reference(repository()).repository(), {}, {});
  }
  InspectRequest request(const std::string& suffix) {
    return {.name = oci::parse_reference(repository() + suffix), .context = {}};
  }
  RemoteDescription describe(const InspectRequest& request) {
    return RemoteInspector(services()).describe(request, {});
  }
  RemoteDescription describe(const std::string& suffix) { return describe(request(suffix)); }
  RemoteDescription describe_id(const std::string& id) {
    InspectRequest by_id = request("");
    by_id.id = id;
    return describe(by_id);
  }
  std::string repository() const { return name("team/app"); }

  void answer(const std::string& path, int status, const std::string& body = {}, tests::Headers headers = {}) {
    registry.add_fault({.path = path, .times = -1, .status = status, .headers = std::move(headers), .body = body});
  }
  void confirm_v2() { answer("/v2/", 200, "{}", {{"Docker-Distribution-API-Version", "registry/2.0"}}); }
  void serve_v1() {
    v1::serve_repository(registry);
    v1::serve_content(registry);
  }
  void serve_image() { serve("team/app", "1", tests::make_image()); }
};

TEST_F(RemoteInspectorTest, SpeaksV1WhereThereIsNoV2) {
  answer("/v2/*", 404, "404 page not found");
  serve_v1();
  EXPECT_EQ(list_tags(), (V1Tags{"1.0", "latest"}));
  registry.clear_requests();
  const RemoteDescription found = describe(":latest");
  EXPECT_EQ(found.tag, "latest");
  EXPECT_EQ(found.tags, (V1Tags{"1.0", "latest"}));
  EXPECT_EQ(found.target, std::nullopt);
  EXPECT_EQ(found.image.v1_id, v1::kId);
  ASSERT_TRUE(found.image.config);
  EXPECT_EQ(found.image.config->platform.os, "linux");
  EXPECT_EQ(found.image.config->platform.architecture, "amd64");
  EXPECT_EQ(registry.count("GET", "/v2/*"), 2U) << "the tags, and whether it is there; not again for the image";
  EXPECT_EQ(describe_id(v1::kId).image.v1_id, v1::kId);
}

TEST_F(RemoteInspectorTest, WhateverSaysThatThereIsNoV2) {
  for (const int status : {400, 404, 405, 410, 501}) {
    registry.clear_faults();
    answer("/v2/*", status);
    serve_v1();
    EXPECT_EQ(list_tags().size(), 2U) << status;
  }
  registry.clear_faults();
  answer("/v2/*", 200, "<html><title>Welcome</title></html>");
  serve_v1();
  EXPECT_EQ(list_tags().size(), 2U) << "a web site";
}

TEST_F(RemoteInspectorTest, V1HasItsOwnTexts) {
  answer("/v2/*", 404);
  serve_v1();
  const auto text_of = [&](const InspectRequest& asked) {
    return error_of<RemoteError>([&] { describe(asked); }).text();
  };
  EXPECT_EQ(text_of(request(":2")), "the tag 2 has not been set on repository " + repository());
  EXPECT_EQ(text_of(request(":1.0")), "the image " + v1::kOtherId + " in repository " + repository() +
                                          " with tag 1.0 was not found and may have been deleted");
  EXPECT_EQ(
      error_of<RemoteError>([&] { describe_id(v1::kOtherId); }).text(),
      "the image " + v1::kOtherId + " in repository " + repository() + " was not found and may have been deleted");
  registry.clear_faults();
  answer("/v2/*", 404);
  v1::serve_repository(registry);
  v1::serve(registry, v1::kTags, "{}");
  InspectRequest untagged = request("");
  EXPECT_EQ(text_of(untagged), "No tags available for remote repository " + repository());
  untagged.tags = InspectRequest::Tags::kLeave;
  EXPECT_EQ(text_of(untagged), "the default tag latest has not been set on repository " + repository());
  registry.clear_faults();
  answer("/v2/*", 404);
  EXPECT_EQ(text_of(request(":latest")), "the repository " + repository() + " was not found");
}

TEST_F(RemoteInspectorTest, TakesTheFirstTagWhereNobodyNamedOneAndThereIsNoLatest) {
  answer("/v2/*", 404);
  v1::serve_repository(registry);
  v1::serve(registry, v1::kTags, R"({"b":"x","a":")" + v1::kId + R"("})");
  v1::serve(registry, "/v1/images/" + v1::kId + "/json", v1::kImageJson);
  EXPECT_EQ(describe("").tag, "a");
}

TEST_F(RemoteInspectorTest, NeverSpeaksV1ToAConfirmedV2) {
  serve_v1();
  confirm_v2();
  EXPECT_EQ(error_of<RemoteError>([&] { list_tags(); }).missing(), Missing::kRepository);
  EXPECT_EQ(error_of<RemoteError>([&] { describe(":latest"); }).text(),
            "the repository " + repository() + " was not found");
  EXPECT_EQ(registry.count("GET", "/v1/*"), 0U);
}

TEST_F(RemoteInspectorTest, WhatV2HasAnsweredConfirmsIt) {
  serve_v1();
  serve_image();
  EXPECT_EQ(describe(":1").tags, V1Tags{"1"});
  EXPECT_EQ(error_of<RemoteError>([&] { describe(":latest"); }).text(),
            "the tag latest has not been set on repository " + repository());
  EXPECT_EQ(error_of<RemoteError>([&] { describe_id("sha256:" + v1::kId); }).missing(), Missing::kImage);
  EXPECT_EQ(registry.count("GET", "/v2/"), 0U);
  EXPECT_EQ(registry.count("GET", "/v1/*"), 0U);
}

TEST_F(RemoteInspectorTest, ARefusalIsAnAnswerOfV2) {
  serve_v1();
  for (const auto& [status, code] :
       {std::pair(401, ErrorCode::kUnauthenticated), std::pair(403, ErrorCode::kPermissionDenied),
        std::pair(429, ErrorCode::kResourceExhausted)}) {
    answer("/v2/*", status);
    const auto error = error_of<RegistryError>([&] { list_tags(); });
    EXPECT_EQ(error.code(), code);
    registry.clear_faults();
    serve_v1();
  }
  registry.require_basic("alice", "wonderland");
  const Error error = error_of([&] { list_tags(); });
  EXPECT_NE(error.text().find("no basic auth credentials"), std::string::npos) << error.text();
  EXPECT_EQ(registry.count("GET", "/v1/*"), 0U);
}

// Not every registry says that it is one: what it said counts, unless there is a V1 that has more to say.
TEST_F(RemoteInspectorTest, AV2ThatIsOnlyLikely) {
  EXPECT_EQ(error_of<RemoteError>([&] { list_tags(); }).text(), "the repository " + repository() + " was not found");
  serve_image();
  InspectRequest asked = request(":2");
  asked.tags = InspectRequest::Tags::kLeave;
  EXPECT_EQ(error_of<RemoteError>([&] { describe(asked); }).text(),
            "the tag 2 has not been set on repository " + repository());
}

TEST_F(RemoteInspectorTest, ARegistryThatBreaksOffIsNotTakenForV1) {
  serve_v1();
  registry.add_fault({.path = "/v2/team/*", .times = -1, .status = 404});
  registry.add_fault({.path = "/v2/", .times = -1, .drop_connection = true});
  const Error error = error_of([&] { list_tags(); });
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(error.text().starts_with("error checking for V2 registry at https://" + registry.host() + ": "))
      << error.text();
  registry.clear_faults();
  serve_v1();
  registry.add_fault({.path = "/v2/team/*", .times = -1, .drop_connection = true});
  answer("/v2/", 404);
  EXPECT_EQ(error_of([&] { list_tags(); }).code(), ErrorCode::kUnavailable);
  EXPECT_EQ(registry.count("GET", "/v1/*"), 0U);
}

TEST_F(RemoteInspectorTest, ARegistryThatIsNotThereIsNamed) {
  std::string gone;
  {
    const tests::FakeRegistry closed;
    gone = closed.host();
  }
  const auto error = error_of<RemoteError>(
      [&] { RemoteInspector(services()).list_tags(oci::parse_reference(gone + "/a").repository(), {}, {}); });
  EXPECT_EQ(error.missing(), Missing::kRegistry);
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(error.text().starts_with("the registry \"https://" + gone + "\" could not be reached")) << error.text();
}

TEST_F(RemoteInspectorTest, RealmsThatRefuseOrAreMissing) {
  serve_v1();
  registry.require_bearer("alice", "wonderland");
  for (const auto& [status, code] :
       {std::pair(401, ErrorCode::kUnauthenticated), std::pair(403, ErrorCode::kPermissionDenied)}) {
    answer("/token", status);
    const Error error = error_of([&] { list_tags(); });
    EXPECT_EQ(error.code(), code) << status;
    EXPECT_TRUE(error.text().starts_with("permission denied to access realm " + registry.url() + "/token"))
        << error.text();
    registry.clear_faults();
    serve_v1();
  }
  answer("/token", 404);
  const auto missing = error_of<RemoteError>([&] { list_tags(); });
  EXPECT_EQ(missing.missing(), Missing::kRealm);
  EXPECT_NE(missing.text().find("defined realm cannot be found"), std::string::npos) << missing.text();
  registry.set_challenges({R"(Bearer service="registry")"});
  EXPECT_EQ(error_of<RemoteError>([&] { list_tags(); }).missing(), Missing::kRealm);
  EXPECT_EQ(registry.count("GET", "/v1/*"), 0U);
}

TEST_F(RemoteInspectorTest, ARegistryThatIsDownIsNotTakenForV1) {
  serve_v1();
  for (const int status : {500, 502, 503, 504}) {
    registry.clear_faults();
    answer("/v2/*", status);
    serve_v1();
    EXPECT_EQ(error_of<RegistryError>([&] { list_tags(); }).status(), status);
  }
  EXPECT_EQ(registry.count("GET", "/v1/*"), 0U);
}

// A registry without the header, and with a list of tags that is not to be had.
TEST_F(RemoteInspectorTest, ALikelyV2IsAskedAgainForTheImage) {
  serve_image();
  answer("/v2/team/app/tags/list", 404);
  const RemoteDescription found = describe(":1");
  EXPECT_EQ(found.tags, std::nullopt);
  ASSERT_TRUE(found.image.config);
  EXPECT_TRUE(found.image.v1_id.empty());
}

TEST_F(RemoteInspectorTest, AListOfTagsThatIsForbiddenHidesNoImage) {
  serve_image();
  for (const int status : {401, 403, 405}) {
    registry.clear_faults();
    answer("/v2/team/app/tags/list", status);
    confirm_v2();
    EXPECT_EQ(describe(":1").tags, std::nullopt) << status;
    EXPECT_THROW(describe(""), Error) << status;
  }
  registry.clear_faults();
  answer("/v2/team/app/tags/list", 429);
  EXPECT_EQ(error_of([&] { describe(":1"); }).code(), ErrorCode::kResourceExhausted);
}

TEST_F(RemoteInspectorTest, WhatIsWrongWithADocumentIsNotTheProtocols) {
  serve_v1();
  answer("/v2/", 404);
  registry.add_manifest("team/app", "1", std::string(kManifestType), R"({"schemaVersion":3,"config":{}})");
  InspectRequest asked = request(":1");
  asked.tags = InspectRequest::Tags::kLeave;
  const Error error = error_of([&] { describe(asked); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.text(), "unrecognized Docker image manifest schema 3");
  EXPECT_EQ(registry.count("GET", "/v1/*"), 0U);
}

// An index of the image's manifest, named so often, with that size.
std::string index_of(const oci::Descriptor& image, std::size_t entries, std::int64_t size_bytes) {
  const std::string entry = R"({"mediaType":")" + image.media_type + R"(","digest":")" + image.digest.to_string() +
                            R"(","size":)" + std::to_string(size_bytes) +
                            R"(,"platform":{"os":"linux","architecture":"amd64"}})";
  std::string list;
  for (std::size_t i = 0; i < entries; ++i) list += (i == 0 ? "" : ",") + entry;
  return R"({"schemaVersion":2,"manifests":[)" + list + "]}";
}

TEST_F(RemoteInspectorTest, WhatAnIndexSaysOfAnEntryHasToBeTrue) {
  const tests::TestImage image = tests::make_image();
  serve("team/app", "1", image);
  const auto& manifest = image.manifest;
  const auto type = std::string(oci::media_type::kOciIndex);
  registry.add_manifest("team/app", "good", type, index_of(manifest, 1, manifest.size_bytes));
  registry.add_manifest("team/app", "bad", type, index_of(manifest, 1, manifest.size_bytes + 1));
  EXPECT_TRUE(describe(":good").image.config);
  EXPECT_EQ(error_of([&] { describe(":bad"); }).code(), ErrorCode::kDataLoss);
}

TEST_F(RemoteInspectorTest, EachPlatformIsDescribedOnce) {
  const tests::TestImage image = tests::make_image();
  serve("team/app", "1", image);
  registry.add_manifest("team/app", "index", std::string(oci::media_type::kOciIndex),
                        index_of(image.manifest, 100, image.manifest.size_bytes));
  registry.clear_requests();
  InspectRequest all = request(":index");
  all.platforms = InspectRequest::Platforms::kAll;
  all.tags = InspectRequest::Tags::kLeave;
  const RemoteDescription found = describe(all);
  EXPECT_EQ(found.entries.size(), 100U);
  EXPECT_TRUE(found.entries.front().image);
  EXPECT_TRUE(found.image.config);
  EXPECT_EQ(registry.requests("GET").size(), 3U) << "the index, the manifest, its config";
}

}  // namespace
}  // namespace lighterd::distribution
