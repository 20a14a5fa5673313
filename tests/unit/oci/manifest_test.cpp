// SPDX-License-Identifier: Apache-2.0
#include "oci/manifest.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.hpp"

namespace lighterd::oci {
namespace {

using media_type::kDockerList;
using media_type::kDockerManifest;
using media_type::kOciIndex;
using media_type::kOciManifest;

std::string digest_number(int number) {
  std::string hex = std::to_string(number);
  return "sha256:" + std::string(64 - hex.size(), '0') + hex;
}

std::string descriptor(std::string_view type, int number, const std::string& more = {}) {
  return R"({"mediaType":")" + std::string(type) + R"(","digest":")" + digest_number(number) + R"(","size":)" +
         std::to_string(number) + more + "}";
}

const std::string kLayerType = "application/vnd.oci.image.layer.v1.tar+gzip";
const std::string kConfig = R"("config":)" + descriptor(media_type::kOciConfig, 1);
const std::string kLayers = R"("layers":[)" + descriptor(kLayerType, 2) + "," + descriptor(kLayerType, 3) + "]";
const std::string kManifests = R"("manifests":[)" + descriptor(kOciManifest, 4) + "]";
const std::string kFsLayers = R"("fsLayers":[])";
const std::string kEmptyIndex = R"({"schemaVersion":2,"manifests":[]})";

std::string document(const std::vector<std::string>& members, std::string_view type = {}) {
  std::string text = R"({"schemaVersion":2)";
  if (!type.empty()) text += R"(,"mediaType":")" + std::string(type) + R"(")";
  for (const std::string& member : members) text += "," + member;
  return text + "}";
}

// The document's type, or "!" and the error.
std::string outcome(const std::string& body, std::string_view given) {
  try {
    return media_type_of(parse_document(body, given, "docker.io/library/old:1"));
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
    return "!" + error.text();
  }
}

TEST(ManifestTest, ReadsAnImage) {
  const Document parsed = parse_document(document({kConfig, kLayers, R"("subject":)" + descriptor(kOciManifest, 9),
                                                   R"("annotations":{"a":"b"})", R"("unknown":1)"},
                                                  kOciManifest),
                                         kOciManifest, "a");
  const auto& manifest = std::get<Manifest>(parsed);
  EXPECT_EQ(manifest.media_type, kOciManifest);
  EXPECT_EQ(manifest.config.digest.to_string(), digest_number(1));
  ASSERT_EQ(manifest.layers.size(), 2U);
  EXPECT_EQ(manifest.layers[0].digest.to_string(), digest_number(2));
  EXPECT_EQ(manifest.layers[1].size_bytes, 3);
  ASSERT_TRUE(manifest.subject.has_value());
  EXPECT_EQ(manifest.subject->digest.to_string(), digest_number(9));
  EXPECT_TRUE(manifest.is_image());
  EXPECT_FALSE(manifest.is_pseudo_image());
}

TEST(ManifestTest, ReadsAnIndex) {
  const Document parsed =
      parse_document(document({R"("manifests":[)" + descriptor(kDockerManifest, 1, R"(,"platform":{"os":"linux"})") +
                                   "," + descriptor(kOciIndex, 2) + "]",
                               R"("artifactType":"t")"},
                              kDockerList),
                     kDockerList, "a");
  const auto& index = std::get<Index>(parsed);
  EXPECT_EQ(index.media_type, kDockerList);
  EXPECT_EQ(index.artifact_type, "t");
  ASSERT_EQ(index.manifests.size(), 2U);
  EXPECT_EQ(index.manifests[0].platform->os, "linux");
  EXPECT_EQ(index.manifests[1].media_type, kOciIndex);
}

TEST(ManifestTest, EmptyOnesAreLegal) {
  EXPECT_TRUE(std::get<Index>(parse_document(kEmptyIndex, "", "a")).manifests.empty());
  EXPECT_TRUE(std::get<Index>(parse_document(document({R"("manifests":null)"}), kOciIndex, "a")).manifests.empty());
  EXPECT_TRUE(
      std::get<Manifest>(parse_document(document({kConfig, R"("layers":[])"}), kOciManifest, "a")).layers.empty());
  EXPECT_TRUE(std::get<Manifest>(parse_document(document({kConfig}), "", "a")).layers.empty());
}

struct TypeCase {
  const char* name;
  std::string body;
  std::string given;
  std::string outcome;
};

class ManifestTypeTest : public testing::TestWithParam<TypeCase> {};

TEST_P(ManifestTypeTest, IsChosenOrRefused) {
  EXPECT_EQ(outcome(GetParam().body, GetParam().given), GetParam().outcome);
}

std::string name_of(const testing::TestParamInfo<TypeCase>& param_info) {
  return param_info.param.name;
}

const std::string kM = std::string(kOciManifest);
const std::string kI = std::string(kOciIndex);
const std::string kDM = std::string(kDockerManifest);
const std::string kDL = std::string(kDockerList);

INSTANTIATE_TEST_SUITE_P(
    Precedence, ManifestTypeTest,
    testing::Values(TypeCase{"GivenWithoutBodyType", document({kConfig, kLayers}), kDM, kDM},
                    TypeCase{"GivenAndSame", document({kConfig, kLayers}, kDM), kDM, kDM},
                    TypeCase{"EmptyGivenTakesBody", document({kConfig, kLayers}, kDM), "", kDM},
                    TypeCase{"JsonTakesBody", document({kConfig, kLayers}, kM), "application/json", kM},
                    TypeCase{"TextTakesBody", document({kManifests}, kDL), "text/plain", kDL},
                    TypeCase{"OctetStreamTakesBody", document({kManifests}, kI), "application/octet-stream", kI},
                    TypeCase{"UnknownTakesBody", document({kManifests}, kI), "application/vnd.foo+json", kI},
                    TypeCase{"SniffsManifest", document({kConfig, kLayers}), "", kM},
                    TypeCase{"SniffsManifestWithoutLayers", document({kConfig}), "text/html", kM},
                    TypeCase{"SniffsIndex", document({kManifests}), "application/json", kI},
                    TypeCase{"EmptyBodyTypeIsNone", document({kManifests, R"("mediaType":"")"}), kI, kI}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Confusion, ManifestTypeTest,
    testing::Values(
        TypeCase{"BothAsManifest", document({kConfig, kLayers, kManifests}), kM,
                 "!media-type: expected manifest but found index (" + kM + ")"},
        TypeCase{"BothAsIndex", document({kConfig, kLayers, kManifests}), kI,
                 "!media-type: expected index but found manifest (" + kI + ")"},
        TypeCase{"BothUntold", document({kConfig, kLayers, kManifests}), "",
                 "!media-type: expected manifest but found index (" + kM + ")"},
        TypeCase{"BothWithBodyType", document({kConfig, kManifests}, kI), "",
                 "!media-type: expected index but found manifest (" + kI + ")"},
        TypeCase{"LayersOnlyInIndex", document({kLayers, kManifests}), kDL,
                 "!media-type: expected index but found manifest (" + kDL + ")"},
        TypeCase{"EmptyManifestsInManifest", document({kConfig, R"("manifests":[])"}), kM,
                 "!media-type: expected manifest but found index (" + kM + ")"},
        TypeCase{"IndexGivenAsManifest", document({kManifests}), kM,
                 "!media-type: expected manifest but found index (" + kM + ")"},
        TypeCase{"ManifestGivenAsIndex", document({kConfig, kLayers}), kDL,
                 "!media-type: expected index but found manifest (" + kDL + ")"},
        TypeCase{"BodyTypeDiffers", document({kConfig, kLayers}, kDM), kM,
                 "!if present, mediaType in manifest should be '" + kM + "' not '" + kDM + "'"},
        TypeCase{"BodyTypeOtherKind", document({kConfig, kLayers}, kI), kM,
                 "!if present, mediaType in manifest should be '" + kM + "' not '" + kI + "'"},
        TypeCase{"BodyTypeSaysNothing", document({kConfig}, "application/json"), kM,
                 "!if present, mediaType in manifest should be '" + kM + "' not 'application/json'"},
        TypeCase{"BodyTypeUnknown", document({kConfig}, "application/json"), "",
                 "!unsupported manifest media type: application/json"},
        TypeCase{"GivenAsLayer", document({kConfig}), kLayerType, "!unsupported manifest media type: " + kLayerType},
        TypeCase{"GivenAsConfig", document({kConfig}), std::string(media_type::kOciConfig),
                 "!unsupported manifest media type: " + std::string(media_type::kOciConfig)},
        TypeCase{"FsLayersInManifest", document({kConfig, kLayers, kFsLayers}), kDM,
                 "!media-type: schema 1 not supported (" + kDM + ")"},
        TypeCase{"NullFsLayersInIndex", document({kManifests, R"("fsLayers":null)"}), kI,
                 "!media-type: schema 1 not supported (" + kI + ")"},
        TypeCase{"NeitherKind", R"({"schemaVersion":2})", "", "!manifest has neither config, layers nor manifests"},
        TypeCase{"CaseVariantLayers", document({kConfig, kLayers, R"("Layers":[])"}), kM,
                 R"(!key "Layers" is not "layers")"},
        TypeCase{"CaseVariantManifests", document({kConfig, R"("MANIFESTS":[])"}), kM,
                 R"(!key "MANIFESTS" is not "manifests")"},
        TypeCase{"CaseVariantMediaType", document({kConfig, R"("mediatype":"x")"}), kM,
                 R"(!key "mediatype" is not "mediaType")"},
        TypeCase{"CaseVariantByLongS", document({kConfig, "\"manifest\xC5\xBF\":[]"}), kM,
                 "!key \"manifest\xC5\xBF\" is not \"manifests\""},
        TypeCase{"CaseVariantInConfig", document({R"("config":)" + descriptor("m", 1, R"(,"Digest":"x")")}), kM,
                 R"(!config: key "Digest" is not "digest")"}),
    name_of);

const std::string kDeprecated =
    "!Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the "
    "author "
    "of docker.io/library/old:1 to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. More "
    "information at https://docs.docker.com/go/deprecated-image-specs/";
const std::string kSchema1Body = R"({"schemaVersion":1,"fsLayers":[],"history":[],"signatures":[]})";

INSTANTIATE_TEST_SUITE_P(
    Schema1, ManifestTypeTest,
    testing::Values(TypeCase{"ByGivenType", kSchema1Body, std::string(media_type::kDockerSchema1), kDeprecated},
                    TypeCase{"BySignedType", "not read", std::string(media_type::kDockerSchema1Signed), kDeprecated},
                    TypeCase{"ByFsLayers", kSchema1Body, "application/json", kDeprecated},
                    TypeCase{"ByBodyType", document({}, media_type::kDockerSchema1), "", kDeprecated},
                    TypeCase{"NoType", kSchema1Body, "", kDeprecated}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Members, ManifestTypeTest,
    testing::Values(
        TypeCase{"SchemaVersion1", "{\"schemaVersion\":1," + kConfig + "}", kM, "!unsupported schemaVersion 1"},
        TypeCase{"SchemaVersion3", "{\"schemaVersion\":3," + kManifests + "}", kI,
                 "!unrecognized Docker image manifest schema 3"},
        TypeCase{"SchemaVersionText", "{\"schemaVersion\":\"2\"," + kConfig + "}", kM,
                 "!\"schemaVersion\" must be an integer"},
        TypeCase{"SchemaVersionMissing", "{" + kConfig + "}", kM, "!\"schemaVersion\" is missing"},
        TypeCase{"ConfigMissing", document({kLayers}), kM, "!\"config\" is missing"},
        TypeCase{"ConfigIsArray", document({R"("config":[])"}), kM, "!\"config\" must be an object"},
        TypeCase{"LayersIsObject", document({kConfig, R"("layers":{})"}), kM, "!\"layers\" must be an array"},
        TypeCase{"LayerIsNull", document({kConfig, R"("layers":[null])"}), kM, "!layers[0]: expected an object"},
        TypeCase{"LayerDigestTraverses",
                 document({kConfig, R"("layers":[{"digest":"sha256:../../etc/passwd","size":1}])"}), kM,
                 "!layers[0]: invalid checksum digest length"},
        TypeCase{"SecondLayerWithoutSize",
                 document({kConfig, R"("layers":[)" + descriptor(kLayerType, 1) + R"(,{"digest":")" + digest_number(2) +
                                        R"("}])"}),
                 kM, "!layers[1]: \"size\" is missing"},
        TypeCase{"ManifestDigestOfMd5",
                 document({R"("manifests":[{"digest":"md5:d41d8cd98f00b204e9800998ecf8427e","size":1}])"}), kI,
                 "!manifests[0]: unsupported digest algorithm"},
        TypeCase{"BadSubject", document({kManifests, R"("subject":{"digest":"sha256:","size":1})"}), kI,
                 "!subject: invalid checksum digest format"},
        TypeCase{"MediaTypeIsNumber", document({kConfig, R"("mediaType":2)"}), kM, "!\"mediaType\" must be a string"},
        TypeCase{"RootIsArray", "[]", kM, "!expected an object"},
        TypeCase{"RootIsNull", "null", "", "!expected an object"},
        TypeCase{"DuplicateLayers", document({kConfig, kLayers, R"("layers":[])"}), kM,
                 "!manifest: duplicate key \"layers\""}),
    name_of);

TEST(ManifestTest, RefusesBadJson) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  for (const std::string& bad : {std::string(), std::string("{"), std::string(1'000'000, '['), deep, kEmptyIndex + "x",
                                 kEmptyIndex + kEmptyIndex, "\xEF\xBB\xBF" + kEmptyIndex,
                                 kEmptyIndex + std::string(1, '\0'), kEmptyIndex + std::string(1, '\0') + kEmptyIndex,
                                 std::string("{\"a\":\"\xFF\"}"), std::string(R"({"a":"\ud800"})"),
                                 document({kConfig, R"("config":null)"}), std::string("<html>not found</html>")})
    EXPECT_TRUE(outcome(bad, "").starts_with("!manifest: ")) << bad.substr(0, 40) << ": " << outcome(bad, "");
}

TEST(ManifestTest, CapsOnBytesAndEntries) {
  std::string padded = kEmptyIndex;
  padded.insert(1, kMaxManifestBytes - padded.size(), ' ');
  EXPECT_EQ(outcome(padded, ""), kI);
  EXPECT_EQ(outcome(padded + " ", ""), "!manifest: larger than 4194304 bytes");

  const auto list = [](const std::string& key, std::size_t entries) {
    std::string text = "\"" + key + "\":[";
    for (std::size_t i = 0; i < entries; ++i) text += (i == 0 ? "" : ",") + descriptor(kLayerType, static_cast<int>(i));
    return text + "]";
  };
  EXPECT_EQ(outcome(document({list("manifests", kMaxDescriptors)}), kI), kI);
  EXPECT_EQ(outcome(document({list("manifests", kMaxDescriptors + 1)}), kI),
            "!\"manifests\" has more than 1000 entries");
  EXPECT_EQ(outcome(document({kConfig, list("layers", kMaxLayers)}), kM), kM);
  EXPECT_EQ(outcome(document({kConfig, list("layers", kMaxLayers + 1)}), kM), "!more than 127 layers");
  const std::string artifact = R"("config":)" + descriptor("application/vnd.oci.empty.v1+json", 1);
  EXPECT_EQ(outcome(document({artifact, list("layers", kMaxDescriptors)}), kM), kM);
  EXPECT_EQ(outcome(document({artifact, list("layers", kMaxDescriptors + 1)}), kM),
            "!\"layers\" has more than 1000 entries");
}

bool is_image(std::string_view manifest_type, std::string_view config_type) {
  return std::get<Manifest>(
             parse_document(document({R"("config":)" + descriptor(config_type, 1)}, manifest_type), manifest_type, "a"))
      .is_image();
}

TEST(ManifestTest, TheConfigTellsImageFromArtifact) {
  EXPECT_TRUE(is_image(kDockerManifest, media_type::kDockerConfig));
  EXPECT_TRUE(is_image(kOciManifest, media_type::kOciConfig));
  EXPECT_TRUE(is_image(kOciManifest, media_type::kDockerConfig));
  EXPECT_TRUE(is_image(kDockerManifest, "application/octet-stream"));
  EXPECT_FALSE(is_image(kOciManifest, "application/octet-stream"));
  EXPECT_FALSE(is_image(kOciManifest, "application/vnd.oci.empty.v1+json"));
  EXPECT_FALSE(is_image(kOciManifest, "application/vnd.cncf.helm.config.v1+json"));
  EXPECT_FALSE(is_image(kDockerManifest, "application/vnd.docker.plugin.v1+json"));
}

TEST(ManifestTest, LayersOfOtherKindsMakeAPseudoImage) {
  const auto pseudo = [](const std::string& layers) {
    return std::get<Manifest>(parse_document(document({kConfig, R"("layers":[)" + layers + "]"}), "", "a"))
        .is_pseudo_image();
  };
  EXPECT_TRUE(pseudo(descriptor("application/vnd.in-toto+json", 1)));
  EXPECT_FALSE(pseudo(descriptor("application/vnd.in-toto+json", 1) + "," + descriptor(kLayerType, 2)));
  EXPECT_FALSE(pseudo(""));
}

const std::string kEmptyType = "application/vnd.oci.empty.v1+json";
const std::string kEmptyConfig = R"("config":)" + descriptor(kEmptyType, 2, R"(,"data":"e30=")");
const std::string kNotes = R"("annotations":{"org.example.note":"yes","org.example.odd":1})";

TEST(ManifestTest, TakesWhatRegistriesAreSent) {
  const std::string sha512 = R"({"mediaType":")" + kM + R"(","digest":"sha512:)" + std::string(128, 'a') +
                             R"(","size":7,"org.example.custom":{"a":[1]}})";
  const std::string foreign = descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", 3,
                                         R"(,"urls":["https://store.example.com/blobs/sha256/3"])");
  const std::vector<std::pair<std::string, std::string>> documents = {
      {document({kEmptyConfig, R"("artifactType":"application/vnd.example+type")"}, kM), kM},
      {document({kEmptyConfig, R"("layers":[])"}, kM), kM},
      {document({kEmptyConfig, R"("layers":[)" + descriptor(kEmptyType, 2, R"(,"data":"e30=")") + "]"}, kM), kM},
      {document({R"("manifests":[])", R"("artifactType":"application/vnd.example+type")", kNotes}, kI), kI},
      {document({R"("manifests":[)" + descriptor(kI, 5) + "," + descriptor(kDL, 6) + "," + sha512 + "]"}, kI), kI},
      {document({R"("manifests":[],"subject":)" + sha512}, kI), kI},
      {document({kConfig, R"("layers":[)" + foreign + "]", R"("org.example.custom":{"deep":{"list":[1,"a",null]}})"},
                kM),
       kM}};
  for (const auto& [body, type] : documents) EXPECT_EQ(outcome(body, type), type) << body;
}

TEST(ManifestTest, ManyLargeAnnotationsFit) {
  std::string notes = R"("annotations":{)";
  for (int i = 0; i < 390; ++i)
    notes += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":\"" + std::string(10'000, 'x') + "\"";
  const Document parsed = parse_document(document({kConfig, notes + "}"}, kM), kM, "a");
  EXPECT_EQ(std::get<Manifest>(parsed).annotations.size(), 390U);
}

Descriptor referrer(const std::string& body, const std::string& type) {
  return referrer_descriptor(parse_document(body, type, "a"),
                             {.media_type = type, .digest = parse_digest(digest_number(1)), .size_bytes = 10});
}

TEST(ManifestTest, ReferrersAreListedByTypeAndAnnotations) {
  const std::string subject = R"("subject":)" + descriptor(kOciManifest, 9);
  const std::string own = R"("artifactType":"own")";
  EXPECT_EQ(referrer(document({kEmptyConfig, subject}, kM), kM).artifact_type, kEmptyType);
  EXPECT_EQ(referrer(document({kEmptyConfig, subject, own}, kM), kM).artifact_type, "own");
  EXPECT_EQ(referrer(document({kManifests, subject}, kI), kI).artifact_type, "");
  const Descriptor index = referrer(document({kManifests, subject, own, kNotes}, kI), kI);
  EXPECT_EQ(index.artifact_type, "own");
  EXPECT_EQ(index.annotations, (std::map<std::string, std::string>{{"org.example.note", "yes"}}));
  EXPECT_EQ(index.size_bytes, 10);
  const Document parsed = parse_document(document({kManifests, subject}, kI), kI, "a");
  EXPECT_EQ(find_subject(parsed)->digest.to_string(), digest_number(9));
  EXPECT_EQ(find_subject(parse_document(kEmptyIndex, "", "a")), nullptr);
}

// ---- find_platform

Platform platform_of(const std::string& text) {
  return parse_platform(text, Platform{});
}

// An index of these platforms, sizes 0, 1, 2 ...; "" has no platform, "unknown/unknown" is an attestation.
Index index_of(const std::vector<std::string>& platforms) {
  Index index{.media_type = kI, .artifact_type = {}, .manifests = {}, .subject = {}};
  for (const std::string& text : platforms) {
    const auto number = static_cast<int>(index.manifests.size());
    Descriptor entry{.media_type = kM,
                     .digest = parse_digest(digest_number(number)),
                     .size_bytes = number,
                     .annotations = {},
                     .platform = {},
                     .urls = {},
                     .artifact_type = {}};
    if (!text.empty()) entry.platform = platform_of(text);
    index.manifests.push_back(std::move(entry));
  }
  return index;
}

int found(const Index& index, const PlatformMatcher& matcher) {
  const Descriptor* entry = find_platform(index, matcher);
  return entry == nullptr ? -1 : static_cast<int>(entry->size_bytes);
}

struct SelectCase {
  const char* name;
  const char* wanted;
  std::vector<std::string> platforms;
  int only;
  int strict;
};

class SelectTest : public testing::TestWithParam<SelectCase> {};

TEST_P(SelectTest, FindsTheBest) {
  const Index index = index_of(GetParam().platforms);
  EXPECT_EQ(found(index, PlatformMatcher::only(platform_of(GetParam().wanted))), GetParam().only);
  EXPECT_EQ(found(index, PlatformMatcher::only_strict(platform_of(GetParam().wanted))), GetParam().strict);
}

INSTANTIATE_TEST_SUITE_P(
    Table, SelectTest,
    testing::Values(SelectCase{"Exact", "linux/amd64", {"linux/arm64", "linux/amd64"}, 1, 1},
                    SelectCase{"NewHostOldIndex", "linux/amd64/v4", {"linux/arm64", "linux/amd64"}, 1, -1},
                    SelectCase{"HighestLevelThatRuns",
                               "linux/amd64/v3",
                               {"linux/amd64", "linux/amd64/v4", "linux/amd64/v2", "linux/amd64/v3"},
                               3,
                               3},
                    SelectCase{"LowerLevel", "linux/amd64/v3", {"linux/amd64", "linux/amd64/v2"}, 1, -1},
                    SelectCase{"OldHostNewIndex", "linux/amd64", {"linux/amd64/v2"}, -1, -1},
                    SelectCase{"I386LastResort", "linux/amd64/v4", {"linux/386", "linux/arm64"}, 0, -1},
                    SelectCase{"I386NotBeforeAmd64", "linux/amd64/v4", {"linux/386", "linux/amd64"}, 1, -1},
                    SelectCase{"Arm64IsArm64V8", "linux/arm64", {"linux/amd64", "linux/arm64/v8"}, 1, 1},
                    SelectCase{"Arm64V8IsArm64", "linux/arm64/v8", {"linux/amd64", "linux/arm64"}, 1, 1},
                    SelectCase{"Arm64RunsArm", "linux/arm64", {"linux/arm/v6", "linux/arm/v7"}, 1, -1},
                    SelectCase{"ArmListOrder", "linux/arm/v7", {"linux/arm/v5", "linux/arm/v6", "linux/arm/v8"}, 1, -1},
                    SelectCase{"TiesKeepFileOrder", "linux/amd64", {"linux/arm64", "linux/amd64", "linux/amd64"}, 1, 1},
                    SelectCase{"NoPlatformIsLast", "linux/amd64", {"", "linux/386"}, 1, 0},
                    SelectCase{"NoPlatformMatches", "linux/amd64", {"linux/arm64", "", ""}, 1, 1},
                    SelectCase{"Nothing", "linux/amd64", {"linux/arm64", "windows/amd64"}, -1, -1},
                    SelectCase{"UnknownIsNoImage", "unknown/unknown", {"unknown/unknown"}, -1, -1},
                    SelectCase{"EmptyIndex", "linux/amd64", {}, -1, -1}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(FindPlatformTest, AttestationsAreNeverSelected) {
  Index index = index_of({"linux/amd64", ""});
  for (Descriptor& entry : index.manifests) entry.annotations["vnd.docker.reference.type"] = "attestation-manifest";
  EXPECT_EQ(found(index, PlatformMatcher::only(platform_of("linux/amd64"))), -1);
  index.manifests.push_back(index_of({"linux/386", "linux/386", "linux/386"}).manifests[2]);
  EXPECT_EQ(found(index, PlatformMatcher::only(platform_of("linux/amd64"))), 2);
}

TEST(FindPlatformTest, NestedIndexesAreCandidates) {
  Index index = index_of({"linux/arm64", "linux/amd64"});
  index.manifests[1].media_type = kI;
  EXPECT_EQ(found(index, PlatformMatcher::only(platform_of("linux/amd64"))), 1);
}

}  // namespace
}  // namespace lighterd::oci
