// SPDX-License-Identifier: Apache-2.0
// What RegistryClient makes of manifests of schema 1: their digest is of what was signed.
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "oci/manifest.hpp"
#include "oci/schema1.hpp"
#include "tests/unit/distribution/registry_fixture.hpp"

namespace lighterd::distribution {
namespace {

using base::ErrorCode;
using oci::media_type::kDockerSchema1;
using oci::media_type::kDockerSchema1Signed;

const std::string kPayload = "{\n   \"schemaVersion\": 1,\n   \"fsLayers\": [],\n   \"history\": []\n}";

std::string sign(const std::string& payload, std::size_t length) {
  const nlohmann::json claims = {{"formatLength", length}, {"formatTail", base::base64_encode("\n}")}};
  const nlohmann::json signature = {{"protected", base::base64_encode(claims.dump())}};
  return payload.substr(0, payload.size() - 2) + ",\n   \"signatures\": [" + signature.dump() + "]\n}";
}

std::string sign(const std::string& payload) {
  return sign(payload, payload.size() - 2);
}

oci::Digest digest_of(const std::string& bytes, oci::DigestAlgorithm algorithm = oci::DigestAlgorithm::kSha256) {
  return oci::digest_of(base::as_bytes(bytes), algorithm);
}

class RegistrySchema1Test : public RegistryTest {
 protected:
  // By tag 1 and by digest, to GET and HEAD.
  void serve(const std::string& body, std::string_view type, const oci::Digest& digest) {
    for (const std::string& reference : {std::string("1"), digest.to_string()}) {
      registry.add_fault(
          {.path = "/v2/team/app/manifests/" + reference,
           .times = -1,
           .status = 200,
           .headers = {{"Content-Type", std::string(type)}, {"Docker-Content-Digest", digest.to_string()}},
           .body = body});
    }
  }
};

struct AnswerCase {
  const char* name;
  std::string_view type;
  std::string body;
  std::string_view expected;
};
class RegistrySchema1Answer : public RegistrySchema1Test, public testing::WithParamInterface<AnswerCase> {};

TEST_P(RegistrySchema1Answer, IsThePayload) {
  const AnswerCase& test_case = GetParam();
  serve(test_case.body, test_case.type, digest_of(kPayload));
  for (const auto& fetched :
       {client(registry).get_manifest_by_tag("1", {}), client(registry).get_manifest(digest_of(kPayload), {})}) {
    EXPECT_EQ(fetched.bytes, kPayload);
    EXPECT_EQ(fetched.descriptor.digest, digest_of(kPayload));
    EXPECT_EQ(fetched.descriptor.media_type, test_case.expected);
    EXPECT_EQ(fetched.descriptor.size_bytes, static_cast<std::int64_t>(test_case.body.size()));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, RegistrySchema1Answer,
    testing::Values(AnswerCase{"signed", kDockerSchema1Signed, sign(kPayload), kDockerSchema1Signed},
                    AnswerCase{"unsigned", kDockerSchema1, kPayload, kDockerSchema1},
                    AnswerCase{"signed_as_unsigned", kDockerSchema1, sign(kPayload), kDockerSchema1Signed},
                    AnswerCase{"signed_as_json", "application/json; charset=utf-8", sign(kPayload),
                               kDockerSchema1Signed},
                    AnswerCase{"unsigned_as_text", "text/plain", kPayload, kDockerSchema1},
                    AnswerCase{"signed_as_nothing", "", sign(kPayload), kDockerSchema1Signed}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_F(RegistrySchema1Test, HeadNamesThePayload) {
  serve(sign(kPayload), kDockerSchema1Signed, digest_of(kPayload));
  EXPECT_EQ(client(registry).resolve("1", {}).digest, digest_of(kPayload));
  EXPECT_EQ(client(registry).resolve("1", {}).media_type, kDockerSchema1Signed);
  EXPECT_EQ(registry.count("GET", "*"), 0U);
  registry.add_fault({.method = "HEAD", .times = -1, .status = 405});
  EXPECT_EQ(client(registry).resolve("1", {}).digest, digest_of(kPayload));
}

TEST_F(RegistrySchema1Test, OtherAlgorithmsAreOfThePayloadToo) {
  const auto digest = digest_of(kPayload, oci::DigestAlgorithm::kSha512);
  serve(sign(kPayload), kDockerSchema1Signed, digest);
  EXPECT_EQ(client(registry).get_manifest_by_tag("1", {}).descriptor.digest, digest);
  EXPECT_EQ(client(registry).get_manifest(digest, {}).bytes, kPayload);
}

TEST_F(RegistrySchema1Test, TheDigestOfTheBodyIsWrong) {
  const auto wrong = digest_of(sign(kPayload));
  serve(sign(kPayload), kDockerSchema1Signed, wrong);
  for (const auto& error : {error_of([&] { client(registry).get_manifest_by_tag("1", {}); }),
                            error_of([&] { client(registry).get_manifest(wrong, {}); })}) {
    EXPECT_EQ(error.code(), ErrorCode::kDataLoss);
    EXPECT_EQ(error.text(), "image verification failed for digest " + wrong.to_string());
  }
}

TEST_F(RegistrySchema1Test, AnUnsignedOneIsVerifiedAsWell) {
  const auto wrong = digest_of("other");
  serve(kPayload, kDockerSchema1, wrong);
  EXPECT_EQ(error_of([&] { client(registry).get_manifest(wrong, {}); }).text(),
            "image verification failed for digest " + wrong.to_string());
}

TEST_F(RegistrySchema1Test, SignaturesThatAreOfNothingAreRefused) {
  serve(sign(kPayload, 100'000), kDockerSchema1Signed, digest_of(kPayload));
  const auto error = error_of([&] { client(registry).get_manifest(digest_of(kPayload), {}); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
}

// Under the type of another kind of manifest the body is what it is.
TEST_F(RegistrySchema1Test, IsNotLookedForInOtherTypes) {
  const std::string body = sign(kPayload);
  serve(body, oci::media_type::kDockerManifest, digest_of(body));
  EXPECT_EQ(client(registry).get_manifest(digest_of(body), {}).bytes, body);
}

TEST_F(RegistrySchema1Test, IsNotAskedForWhereItIsRefused) {
  options.schema1_images = Schema1Images::kRefused;
  registry.add_manifest(repository, "1", kManifestType, "{}");
  client(registry).resolve("1", {});
  const std::string accepted = registry.requests().front().header("accept");
  EXPECT_EQ(accepted.find("distribution.manifest.v1"), std::string::npos);
  EXPECT_TRUE(accepted.ends_with(", */*")) << accepted;
}

}  // namespace
}  // namespace lighterd::distribution
