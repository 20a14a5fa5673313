// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/api/engine/engine_fixture.hpp"

namespace lighterd::tests {
namespace {

const char* const kProvenance = "https://slsa.dev/provenance/v1";
const char* const kSbom = "https://spdx.dev/Document";

class Attestations : public EngineTest {
 protected:
  Attestations() { publish({amd64_, arm64_, provenance_, sbom_, arm64_note_}); }

  void publish(const std::vector<TestImage>& present) { store_.publish_index(index_, present, "app:1"); }
  Json statements(const std::string& query = {}) { return get_json("/v1.55/images/app:1/attestations" + query); }
  static std::vector<std::string> types(const Json& statements) {
    std::vector<std::string> result;
    for (const Json& statement : statements) result.push_back(statement["PredicateType"]);
    return result;
  }
  std::pair<int, std::string> error(const std::string& target) {
    const FakeResponse response = get(target);
    return {response.status, message_of(response)};
  }

  const TestImage amd64_ = make_image();
  const TestImage arm64_ = make_image({.architecture = "arm64"});
  const TestImage provenance_ = make_attestation(amd64_, kProvenance);
  const TestImage sbom_ = make_attestation(amd64_, kSbom);
  const TestImage arm64_note_ = make_attestation(arm64_, kSbom);
  const std::pair<oci::Descriptor, std::string> index_ = make_index({{amd64_, linux_on("amd64")},
                                                                     {arm64_, linux_on("arm64")},
                                                                     {provenance_, linux_on("unknown")},
                                                                     {sbom_, linux_on("unknown")},
                                                                     {arm64_note_, linux_on("unknown")}});
};

using Types = std::vector<std::string>;

TEST_F(Attestations, AreThoseOfTheHostsPlatform) {
  const Json shown = statements();
  EXPECT_EQ(types(shown), (Types{kProvenance, kSbom}));
  EXPECT_EQ(shown[0]["Descriptor"], Json::parse(oci::to_json(provenance_.layers[0].first).dump()));
  EXPECT_FALSE(shown[0].contains("Statement"));
}

TEST_F(Attestations, OfAnotherPlatform) {
  const Json shown = statements("?platform=%7B%22os%22:%22linux%22,%22architecture%22:%22arm64%22%7D");
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_EQ(shown[0]["Descriptor"]["digest"], arm64_note_.layers[0].first.digest.to_string());
}

TEST_F(Attestations, TypesMayBeRepeatedOrListed) {
  const std::string slsa = "https%3A%2F%2Fslsa.dev%2Fprovenance%2Fv1";
  const std::string spdx = "https%3A%2F%2Fspdx.dev%2FDocument";
  EXPECT_EQ(types(statements("?type=" + slsa)), (Types{kProvenance}));
  EXPECT_EQ(types(statements("?type=" + slsa + "&type=" + spdx)), (Types{kProvenance, kSbom}));
  EXPECT_EQ(types(statements("?type=" + spdx + "," + slsa)), (Types{kProvenance, kSbom}));
  EXPECT_EQ(statements("?type=nope"), Json::array());
  EXPECT_EQ(types(statements("?type=")).size(), 2u);
}

TEST_F(Attestations, StatementIsTheBlobAsItStands) {
  const FakeResponse response =
      get("/v1.55/images/app:1/attestations?statement=1&type=https%3A%2F%2Fspdx.dev%2FDocument");
  EXPECT_NE(response.body.find(R"(,"Statement":)" + sbom_.layers[0].second + "}]"), std::string::npos) << response.body;
}

TEST_F(Attestations, WithoutAnyTheAnswerIsAnEmptyArray) {
  store_.publish(amd64_, "single:1");
  EXPECT_EQ(get("/v1.55/images/single:1/attestations").body, "[]\n");
}

TEST_F(Attestations, ThatAreNotHereAreLeftOut) {
  const auto index =
      make_index({{amd64_, linux_on("amd64")}, {make_attestation(amd64_, "absent"), linux_on("unknown")}});
  store_.publish_index(index, {amd64_}, "app:1");
  EXPECT_EQ(statements(), Json::array());
}

TEST_F(Attestations, Errors) {
  EXPECT_EQ(error("/v1.54/images/app:1/attestations"),
            std::pair(400, std::string("GET /images/{name:.*}/attestations requires minimum API version 1.55")));
  EXPECT_EQ(error("/v1.55/images/nope/attestations"), std::pair(404, std::string("No such image: nope:latest")));
  const std::string platform = "platform=%7B%22os%22:%22linux%22,%22architecture%22:%22s390x%22%7D";
  EXPECT_EQ(error("/v1.55/images/app:1/attestations?" + platform),
            std::pair(404, std::string("image with reference app:1 was found but does not provide the specified "
                                       "platform (linux/s390x)")));
  EXPECT_EQ(error("/v1.55/images/app:1/attestations?" + platform + "&" + platform),
            std::pair(400, std::string("only one platform value is currently supported")));
}

TEST_F(Attestations, AStatementThatIsNoJsonBreaksNoAnswer) {
  TestImage broken = make_attestation(amd64_, "broken");
  const std::string bytes = "{\"a\":";
  Json manifest = Json::parse(broken.manifest_bytes);
  oci::Descriptor layer = descriptor_of("application/vnd.in-toto+json", bytes);
  layer.annotations = broken.layers[0].first.annotations;
  manifest["layers"] = Json::array({oci::to_json(layer)});
  broken.manifest_bytes = manifest.dump();
  auto descriptor = descriptor_of(broken.manifest.media_type, broken.manifest_bytes);
  descriptor.annotations = broken.manifest.annotations;
  broken.manifest = descriptor;
  broken.layers = {{layer, bytes}};
  store_.publish_index(make_index({{amd64_, linux_on("amd64")}, {broken, linux_on("unknown")}}), {amd64_, broken},
                       "app:1");
  EXPECT_EQ(statements().size(), 1u);
  EXPECT_EQ(get("/v1.55/images/app:1/attestations?statement=1").status, 500);
}

}  // namespace
}  // namespace lighterd::tests
