// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "distribution/body_source.hpp"
#include "distribution/referrers_index.hpp"
#include "tests/unit/distribution/registry_fixture.hpp"

namespace lighterd::distribution {
namespace {

using base::ErrorCode;
using Kind = UploadResult::Kind;

class RegistryPush : public RegistryTest {
 protected:
  UploadResult push(const std::string& bytes, const std::vector<std::string>& mounts = {}, AuthConfig auth = {}) {
    const oci::Descriptor blob{"", digest(bytes), static_cast<std::int64_t>(bytes.size()), {}, {}, {}, {}};
    return client(registry, Access::kPush, std::move(auth))
        .push_blob(blob, make_text_content(bytes), mounts,
                   {.on_sent = [this](std::int64_t sent) { sent_bytes = sent; }, .on_retry = {}}, {});
  }
  static oci::Digest digest(const std::string& bytes) { return oci::digest_of(base::as_bytes(bytes)); }
  bool has(const std::string& bytes) const {
    return registry.find_blob(repository, digest(bytes).to_string()) == bytes;
  }

  std::int64_t sent_bytes = 0;
};

TEST_F(RegistryPush, UploadsWhatIsMissing) {
  const std::string bytes(2'000'000, 'x');
  EXPECT_EQ(push(bytes).kind, Kind::kUploaded);
  EXPECT_TRUE(has(bytes));
  EXPECT_EQ(sent_bytes, 2'000'000);
  const auto put = registry.requests("PUT");
  ASSERT_EQ(put.size(), 1U);
  EXPECT_EQ(put[0].header("content-type"), "application/octet-stream");
  EXPECT_EQ(put[0].header("content-length"), "2000000");
  EXPECT_EQ(put[0].query, "digest=sha256%3A" + digest(bytes).hex());
}

TEST_F(RegistryPush, UploadsAnEmptyBlob) {
  EXPECT_EQ(push("").kind, Kind::kUploaded);
  EXPECT_TRUE(has(""));
}

TEST_F(RegistryPush, LeavesWhatExists) {
  registry.add_blob(repository, "x");
  EXPECT_EQ(push("x", {"other/app"}).kind, Kind::kExisted);
  EXPECT_EQ(registry.count("POST", "*"), 0U);
}

TEST_F(RegistryPush, MountsFromAnotherRepository) {
  registry.add_blob("other/app", "x");
  const UploadResult result = push("x", {"not/there", "other/app"});
  // The first candidate opened an upload session, which is used.
  EXPECT_EQ(result.kind, Kind::kUploaded);
  registry.clear_requests();
  registry.add_blob("third/app", "y");
  const UploadResult mounted = push("y", {"third/app"});
  EXPECT_EQ(mounted.kind, Kind::kMounted);
  EXPECT_EQ(mounted.mounted_from, "third/app");
  EXPECT_TRUE(has("y"));
  ASSERT_EQ(registry.count("POST", "*"), 1U);
  EXPECT_EQ(registry.requests("POST")[0].query, "mount=sha256%3A" + digest("y").hex() + "&from=third%2Fapp");
  EXPECT_EQ(registry.count("PUT", "*"), 0U);
}

TEST_F(RegistryPush, RefusedMountUploads) {
  for (const int status : {400, 401, 403, 404, 405}) {
    registry.clear_requests();
    const std::string bytes = "blob" + std::to_string(status);
    registry.add_fault({.method = "POST", .status = status});
    EXPECT_EQ(push(bytes, {"other/app"}).kind, Kind::kUploaded) << status;
    EXPECT_TRUE(has(bytes));
    EXPECT_EQ(registry.count("POST", "*"), 2U);
  }
}

TEST_F(RegistryPush, AsksForTheScopeOfTheMountedRepository) {
  registry.require_bearer("u", "p");
  registry.add_blob("other/app", "x");
  EXPECT_EQ(push("x", {"other/app"}, password_auth("u", "p")).kind, Kind::kMounted);
  const auto tokens = registry.requests("GET", "/token");
  ASSERT_EQ(tokens.size(), 2U);
  EXPECT_NE(tokens[0].query.find("scope=repository%3Ateam%2Fapp%3Apull%2Cpush"), std::string::npos) << tokens[0].query;
  EXPECT_NE(tokens[1].query.find("scope=repository%3Aother%2Fapp%3Apull"), std::string::npos) << tokens[1].query;
}

TEST_F(RegistryPush, SettlesAuthorizationBeforeTheBodyIsSent) {
  registry.require_bearer("u", "p");
  EXPECT_EQ(push(std::string(100'000, 'x'), {}, password_auth("u", "p")).kind, Kind::kUploaded);
  EXPECT_EQ(registry.count("PUT", "*"), 1U);
}

TEST_F(RegistryPush, SendsTheBodyAgainAfterARedirectOrRefusal) {
  registry.require_bearer("u", "p");
  registry.add_fault({.method = "PUT",
                      .status = 401,
                      .headers = {{"WWW-Authenticate", "Bearer realm=\"" + registry.url() +
                                                           "/token\",service=\"fake\",error=\"invalid_token\""}}});
  EXPECT_EQ(push(std::string(10'000, 'x'), {}, password_auth("u", "p")).kind, Kind::kUploaded);
  EXPECT_EQ(registry.count("PUT", "*"), 2U);
  EXPECT_EQ(sent_bytes, 10'000);
  EXPECT_TRUE(has(std::string(10'000, 'x')));
}

TEST_F(RegistryPush, ReplaysTheBodyAfterARedirect) {
  for (const int status : {303, 307}) {
    tests::FakeRegistry storage;
    registry.add_fault({.method = "PUT", .status = status, .headers = {{"Location", storage.url() + "/put"}}});
    storage.add_fault({.status = 201});
    EXPECT_EQ(push("some bytes").kind, Kind::kUploaded);
    ASSERT_EQ(storage.requests().size(), 1U);
    EXPECT_EQ(storage.requests()[0].method, "PUT") << status;
    EXPECT_EQ(storage.requests()[0].body, "some bytes");
  }
}

TEST(ReferrersTag, IsCutAsTheSpecificationSays) {
  const auto bytes = base::as_bytes("x");
  const auto short_one = oci::digest_of(bytes);
  const auto long_one = oci::digest_of(bytes, oci::DigestAlgorithm::kSha512);
  EXPECT_EQ(referrers_tag(short_one), "sha256-" + short_one.hex());
  EXPECT_EQ(referrers_tag(long_one), "sha512-" + long_one.hex().substr(0, 64));
}

TEST_F(RegistryPush, KeepsTheQueryOfTheLocation) {
  registry.set_upload_location("/v2/team/app/blobs/uploads/{id}?_state=a%2Bb%3D%3D&x");
  EXPECT_EQ(push("x").kind, Kind::kUploaded);
  EXPECT_EQ(registry.requests("PUT")[0].query, "_state=a%2Bb%3D%3D&x&digest=sha256%3A" + digest("x").hex());
}

TEST_F(RegistryPush, AcceptsALocationWithoutScheme) {
  registry.set_upload_location(registry.host() + "/v2/team/app/blobs/uploads/{id}");
  EXPECT_EQ(push("x").kind, Kind::kUploaded);
}

TEST_F(RegistryPush, UploadsElsewhereAnonymously) {
  tests::FakeRegistry storage;
  storage.add_fault({.status = 201});
  registry.require_bearer("u", "p");
  registry.set_upload_location(storage.url() + "/signed?sig=1");
  EXPECT_EQ(push("x", {}, password_auth("u", "p")).kind, Kind::kUploaded);
  ASSERT_EQ(storage.requests().size(), 1U);
  EXPECT_EQ(storage.requests()[0].header("authorization"), "");
  EXPECT_EQ(storage.requests()[0].header("x-meta-client"), "");
}

class BadLocation : public RegistryPush, public testing::WithParamInterface<std::string> {};
TEST_P(BadLocation, GetsNoBytes) {
  registry.set_upload_location(GetParam());
  EXPECT_THROW(push("secret bytes"), base::Error);
  EXPECT_EQ(registry.count("PUT", "*"), 0U);
  EXPECT_EQ(sent_bytes, 0);
}
INSTANTIATE_TEST_SUITE_P(Table, BadLocation,
                         testing::Values("http://10.0.0.1/x", "http://169.254.169.254/x", "file:///x",
                                         "http://u:p@127.0.0.1/", "/" + std::string(64 * 1024, 'x'),
                                         "ftp://127.0.0.1/"));

TEST_F(RegistryPush, ToleratesOtherSuccessesThatAreTrue) {
  for (const int status : {200, 202, 204}) {
    const std::string bytes = "x" + std::to_string(status);
    registry.add_fault({.method = "PUT", .status = status});
    EXPECT_EQ(error_of([&] { push(bytes); }).code(), ErrorCode::kUnavailable) << status;
    registry.add_blob(repository, bytes);
    registry.add_fault({.method = "HEAD", .status = 404});
    registry.add_fault({.method = "PUT", .status = status});
    EXPECT_EQ(push(bytes).kind, Kind::kUploaded) << status;
  }
}

TEST_F(RegistryPush, DeniedPushSaysSo) {
  registry.require_bearer("u", "p");
  registry.deny_repository(repository);
  const auto error = error_of<RegistryError>([&] { push("x", {}, password_auth("u", "p")); });
  EXPECT_TRUE(error.insufficient_scope());
  EXPECT_EQ(error.text(), "denied: requested access to the resource is denied");
  EXPECT_EQ(registry.count("GET", "/token"), 1U);
}

TEST_F(RegistryPush, PutsManifestsOnce) {
  const std::string bytes = R"({"a":1})";
  auto pusher = client(registry, Access::kPush);
  pusher.put_manifest("1", kManifestType, bytes, digest(bytes), IfThere::kLeave, {});
  EXPECT_EQ(registry.find_manifest(repository, "1"), std::pair(kManifestType, bytes));
  pusher.put_manifest("1", kManifestType, bytes, digest(bytes), IfThere::kLeave, {});
  EXPECT_EQ(registry.count("PUT", "*"), 1U);
  const std::string other = R"({"a":2})";
  pusher.put_manifest("1", kManifestType, other, digest(other), IfThere::kLeave, {});
  EXPECT_EQ(registry.find_manifest(repository, "1")->second, other);
  pusher.put_manifest(digest(bytes).to_string(), kManifestType, bytes, digest(bytes), IfThere::kLeave, {});
  EXPECT_EQ(registry.count("PUT", "*"), 2U);
}

TEST_F(RegistryPush, RefusesAnotherStoredDigest) {
  registry.add_fault(
      {.method = "PUT", .status = 201, .headers = {{"Docker-Content-Digest", "sha256:" + std::string(64, 'a')}}});
  const auto error = error_of([&] {
    client(registry, Access::kPush).put_manifest("1", kManifestType, "{}", digest("{}"), IfThere::kLeave, {});
  });
  EXPECT_EQ(error.code(), ErrorCode::kDataLoss);
}

TEST_F(RegistryPush, ReportsWhyAManifestIsRefused) {
  registry.add_fault(
      {.method = "PUT",
       .status = 400,
       .body = R"({"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry","detail":"x"}]})"});
  const auto error = error_of<RegistryError>([&] {
    client(registry, Access::kPush).put_manifest("1", kManifestType, "{}", digest("{}"), IfThere::kLeave, {});
  });
  EXPECT_EQ(error.text(), "manifest blob unknown: blob unknown to registry");
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace lighterd::distribution
