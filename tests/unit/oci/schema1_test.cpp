// SPDX-License-Identifier: Apache-2.0
#include "oci/schema1.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "oci/manifest.hpp"

namespace lighterd::oci {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kTail = "\n}";

std::string id(int number) {
  const std::string digits = std::to_string(number);
  return std::string(64 - digits.size(), 'a') + digits;
}

Digest blob(int number) {
  return digest_of(base::as_bytes("blob " + std::to_string(number)));
}

// Its base is number 0.
ordered_json make_entry(int number) {
  ordered_json entry = {{"id", id(number)}, {"created", "2015-01-0" + std::to_string(number + 1) + "T00:00:00Z"}};
  if (number > 0) entry["parent"] = id(number - 1);
  entry["container_config"] = {{"Cmd", {"/bin/sh", "-c", "step " + std::to_string(number)}}};
  return entry;
}

// Base first; the newest is an image's.
std::vector<ordered_json> make_chain(int count) {
  std::vector<ordered_json> chain;
  for (int i = 0; i < count; ++i) chain.push_back(make_entry(i));
  chain.back()["docker_version"] = "1.9.1";
  chain.back()["architecture"] = "amd64";
  chain.back()["os"] = "linux";
  chain.back()["config"] = {{"Env", ordered_json::array({"A=b"})}, {"Labels", {{"a", "b"}}}};
  return chain;
}

ordered_json make_manifest(const std::vector<ordered_json>& chain) {
  ordered_json manifest = {{"schemaVersion", 1}, {"name", "team/app"}, {"tag", "1"}, {"architecture", "amd64"}};
  manifest["fsLayers"] = ordered_json::array();
  manifest["history"] = ordered_json::array();
  for (std::size_t i = chain.size(); i-- > 0;) {
    manifest["fsLayers"].push_back({{"blobSum", blob(static_cast<int>(i)).to_string()}});
    manifest["history"].push_back({{"v1Compatibility", chain[i].dump()}});
  }
  return manifest;
}

std::string payload_of(const ordered_json& manifest) {
  return manifest.dump(3);
}

ordered_json make_signature(const ordered_json& claims) {
  return {{"header", {{"alg", "ES256"}}}, {"signature", "AAAA"}, {"protected", base::base64_encode(claims.dump())}};
}

ordered_json claims_of(const std::string& payload) {
  return {{"formatLength", payload.size() - kTail.size()}, {"formatTail", base::base64_encode(kTail)}};
}

std::string with_signatures(const std::string& payload, const ordered_json& signatures) {
  return payload.substr(0, payload.size() - kTail.size()) + ",\n   \"signatures\": " + signatures.dump() +
         std::string(kTail);
}

std::string sign(const std::string& payload, const std::vector<ordered_json>& claims) {
  ordered_json signatures = ordered_json::array();
  for (const auto& each : claims) signatures.push_back(make_signature(each));
  return with_signatures(payload, signatures);
}

std::string refusal_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument) << error.what();
    return error.what();
  }
  return "taken";
}

std::string refusal_of(const ordered_json& manifest) {
  return refusal_of([&] { parse_schema1(payload_of(manifest)); });
}

std::string refusal_of(const std::vector<ordered_json>& chain) {
  return refusal_of(make_manifest(chain));
}

// What is signed.

TEST(Schema1PayloadTest, OfASignedOneIsWhatWasSigned) {
  const std::string payload = payload_of(make_manifest(make_chain(2)));
  const ordered_json claims = claims_of(payload);
  EXPECT_EQ(schema1_payload(sign(payload, {claims})), payload);
  EXPECT_EQ(schema1_payload(sign(payload, {claims, claims, claims})), payload);
}

TEST(Schema1PayloadTest, OfAnUnsignedOneIsTheBody) {
  const std::string body = payload_of(make_manifest(make_chain(1)));
  EXPECT_EQ(schema1_payload(body), body);
  const std::string null = with_signatures(body, nullptr);
  EXPECT_EQ(schema1_payload(null), null);
}

TEST(Schema1PayloadTest, MayHaveAnyTail) {
  const std::string body = sign(payload_of(make_manifest(make_chain(1))),
                                {{{"formatLength", 0}, {"formatTail", base::base64_encode("other bytes")}}});
  EXPECT_EQ(schema1_payload(body), "other bytes");
}

struct SignatureCase {
  const char* name;
  std::function<std::string(const std::string&)> body;
  const char* text;
};

class Schema1SignatureTest : public testing::TestWithParam<SignatureCase> {};

TEST_P(Schema1SignatureTest, IsRefused) {
  const std::string payload = payload_of(make_manifest(make_chain(2)));
  const std::string text = refusal_of([&] { schema1_payload(GetParam().body(payload)); });
  EXPECT_NE(text.find(GetParam().text), std::string::npos) << text;
}

// One signature with another member.
std::string sign_wrongly(const std::string& payload, const char* key, const ordered_json& value) {
  ordered_json claims = claims_of(payload);
  claims[key] = value;
  return sign(payload, {claims});
}

std::string sign_twice(const std::string& payload, const char* key, const ordered_json& value) {
  ordered_json claims = claims_of(payload);
  claims[key] = value;
  return sign(payload, {claims_of(payload), claims});
}

ordered_json with_protected(const ordered_json& value) {
  return ordered_json::array({ordered_json{{"protected", value}}});
}

INSTANTIATE_TEST_SUITE_P(
    Broken, Schema1SignatureTest,
    testing::Values(
        SignatureCase{"NoneInTheList", [](auto& p) { return with_signatures(p, ordered_json::array()); },
                      "no signatures"},
        SignatureCase{"NoList", [](auto& p) { return with_signatures(p, "none"); }, "\"signatures\" must be an array"},
        SignatureCase{"NoObject", [](auto& p) { return with_signatures(p, ordered_json::array({ordered_json("a")})); },
                      "expected an object"},
        SignatureCase{"OtherCase",
                      [](auto& p) {
                        std::string body = sign(p, {claims_of(p)});
                        return body.replace(body.find("signatures"), 10, "Signatures");
                      },
                      "\"Signatures\" is not \"signatures\""},
        SignatureCase{"LengthsDisagree", [](auto& p) { return sign_twice(p, "formatLength", 5); },
                      "not of the same payload"},
        SignatureCase{"TailsDisagree", [](auto& p) { return sign_twice(p, "formatTail", "fQ"); },
                      "not of the same payload"},
        SignatureCase{"LengthBeyondTheBody", [](auto& p) { return sign_wrongly(p, "formatLength", 1'000'000); },
                      "\"formatLength\" is 1000000"},
        SignatureCase{"NegativeLength", [](auto& p) { return sign_wrongly(p, "formatLength", -1); }, "is negative"},
        SignatureCase{"LengthIsText", [](auto& p) { return sign_wrongly(p, "formatLength", "1"); },
                      "\"formatLength\" must be an integer"},
        SignatureCase{"NoLength", [](auto& p) { return sign_wrongly(p, "formatLength", nullptr); },
                      "\"formatLength\" is missing"},
        SignatureCase{"NoTail", [](auto& p) { return sign_wrongly(p, "formatTail", nullptr); },
                      "\"formatTail\" is missing"},
        SignatureCase{"TailNotBase64", [](auto& p) { return sign_wrongly(p, "formatTail", "!!!"); },
                      "\"formatTail\" is not base64url"},
        SignatureCase{"ProtectedNotBase64", [](auto& p) { return with_signatures(p, with_protected("{}")); },
                      "\"protected\" is not base64url"},
        SignatureCase{"ProtectedNotJson",
                      [](auto& p) { return with_signatures(p, with_protected(base::base64_encode("{"))); },
                      "\"protected\": syntax error"},
        SignatureCase{"NoProtected", [](auto& p) { return with_signatures(p, with_protected(nullptr)); },
                      "\"protected\" is missing"},
        SignatureCase{"NoJson", [](auto&) { return "not read"; }, "manifest: syntax error"},
        SignatureCase{"NoObjectAtAll", [](auto&) { return "[]"; }, "expected an object"}),
    [](const auto& test_case) { return test_case.param.name; });

// What is one.

struct TypeCase {
  const char* name;
  std::string body;
  std::string type;
  std::string_view expected;
};

class Schema1TypeTest : public testing::TestWithParam<TypeCase> {};

TEST_P(Schema1TypeTest, IsToldFromTheAnswer) {
  EXPECT_EQ(find_schema1_type(GetParam().body, GetParam().type), GetParam().expected);
}

const std::string kSigned = R"({"fsLayers":[],"signatures":[]})";
const std::string kUnsigned = R"({"fsLayers":[]})";

INSTANTIATE_TEST_SUITE_P(
    All, Schema1TypeTest,
    testing::Values(
        TypeCase{"BothTypes", kSigned, std::string(media_type::kDockerSchema1Signed), media_type::kDockerSchema1Signed},
        TypeCase{"UnsignedButSigned", kSigned, std::string(media_type::kDockerSchema1),
                 media_type::kDockerSchema1Signed},
        TypeCase{"SignedButUnsigned", kUnsigned, std::string(media_type::kDockerSchema1Signed),
                 media_type::kDockerSchema1},
        TypeCase{"NotEvenJson", "-", std::string(media_type::kDockerSchema1), media_type::kDockerSchema1},
        TypeCase{"PlainJson", kSigned, "application/json", media_type::kDockerSchema1Signed},
        TypeCase{"Nothing", kUnsigned, "", media_type::kDockerSchema1},
        TypeCase{"Text", kUnsigned, "text/plain", media_type::kDockerSchema1},
        TypeCase{"OwnType", R"({"fsLayers":[],"mediaType":"application/vnd.docker.distribution.manifest.v1+json"})", "",
                 media_type::kDockerSchema1},
        TypeCase{"OtherOwnType", R"({"fsLayers":[],"mediaType":"application/vnd.oci.image.manifest.v1+json"})", "", ""},
        TypeCase{"Schema2", kSigned, std::string(media_type::kDockerManifest), ""},
        TypeCase{"Index", kSigned, std::string(media_type::kOciIndex), ""},
        TypeCase{"Confused", R"({"fsLayers":[],"layers":[]})", "", ""},
        TypeCase{"NoLayers", R"({"signatures":[],"fsLayers":null})", "", ""},
        TypeCase{"NoJson", R"("fsLayers")", "", ""}, TypeCase{"Broken", R"({"fsLayers")", "", ""}),
    [](const auto& test_case) { return test_case.param.name; });

// The chain.

TEST(Schema1Test, IsReadFromTheBaseUp) {
  const Schema1Manifest manifest = parse_schema1(payload_of(make_manifest(make_chain(3))));
  EXPECT_EQ(manifest.name, "team/app");
  EXPECT_EQ(manifest.tag, "1");
  EXPECT_EQ(manifest.architecture, "amd64");
  ASSERT_EQ(manifest.entries.size(), 3U);
  EXPECT_EQ(manifest.entries.front().id, id(0));
  EXPECT_EQ(manifest.layers(), (std::vector<Digest>{blob(0), blob(1), blob(2)}));
}

TEST(Schema1Test, ThrowawayAloneSaysThatThereIsNoLayer) {
  auto chain = make_chain(3);
  chain[1]["throwaway"] = true;
  ordered_json manifest = make_manifest(chain);
  // The layer of nothing that Docker put where there is none: it is a layer to whoever does not say throwaway.
  manifest["fsLayers"][0]["blobSum"] = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4";
  const auto parsed = parse_schema1(payload_of(manifest));
  EXPECT_TRUE(parsed.entries[1].is_throwaway);
  ASSERT_EQ(parsed.layers().size(), 2U);
  EXPECT_EQ(parsed.layers()[0], blob(0));
  EXPECT_EQ(parsed.layers()[1].to_string(), manifest["fsLayers"][0]["blobSum"]);
}

TEST(Schema1Test, OfRepeatedIdsTheOneNearerTheTopGoes) {
  auto chain = make_chain(4);
  chain[2]["id"] = id(1);
  chain[3]["parent"] = id(1);
  const auto parsed = parse_schema1(payload_of(make_manifest(chain)));
  EXPECT_EQ(parsed.layers(), (std::vector<Digest>{blob(0), blob(1), blob(3)}));
  ASSERT_EQ(parsed.entries.size(), 3U);
  EXPECT_EQ(parsed.entries[1].v1_json, chain[1].dump());

  chain = make_chain(2);
  chain[1]["id"] = id(0);
  EXPECT_EQ(parse_schema1(payload_of(make_manifest(chain))).layers(), std::vector<Digest>{blob(0)});
}

TEST(Schema1Test, ABrokenChainIsRefused) {
  auto chain = make_chain(3);
  chain[0]["parent"] = id(9);
  EXPECT_EQ(refusal_of(chain), "Invalid parent ID in the base layer of the image.");
  chain = make_chain(3);
  chain[2]["parent"] = id(0);
  EXPECT_EQ(refusal_of(chain), "Invalid parent ID. Expected " + id(1) + ", got " + id(0) + ".");
  chain = make_chain(3);
  chain[1].erase("parent");
  EXPECT_EQ(refusal_of(chain), "Invalid parent ID. Expected " + id(0) + ", got .");
  chain = make_chain(3);
  chain[2]["id"] = id(0);
  EXPECT_EQ(refusal_of(chain), "ID " + id(0) + " appears multiple times in manifest");
}

TEST(Schema1Test, IdsAreSixtyFourHexDigits) {
  for (const std::string& wrong :
       {std::string("abc"), std::string(64, 'A'), std::string(65, 'a'), "../" + std::string(61, 'a'), std::string()}) {
    auto chain = make_chain(1);
    chain[0]["id"] = wrong;
    EXPECT_NE(refusal_of(chain).find("image ID \"" + wrong + "\" is invalid"), std::string::npos) << refusal_of(chain);
  }
}

struct ManifestCase {
  const char* name;
  std::function<void(ordered_json&)> edit;
  const char* text;
};

class BadSchema1Test : public testing::TestWithParam<ManifestCase> {};

TEST_P(BadSchema1Test, IsRefused) {
  ordered_json manifest = make_manifest(make_chain(2));
  GetParam().edit(manifest);
  const std::string text = refusal_of(manifest);
  EXPECT_NE(text.find(GetParam().text), std::string::npos) << text;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadSchema1Test,
    testing::Values(
        ManifestCase{"MoreHistory", [](auto& m) { m["fsLayers"].erase(0); },
                     "length of history not equal to number of layers for team/app"},
        ManifestCase{"MoreLayers", [](auto& m) { m.erase("history"); },
                     "length of history not equal to number of layers for team/app"},
        ManifestCase{"Empty", [](auto& m) { m["fsLayers"] = m["history"] = ordered_json::array(); },
                     "no FSLayers in manifest for team/app"},
        ManifestCase{"Neither",
                     [](auto& m) {
                       m.erase("history");
                       m.erase("fsLayers");
                     },
                     "no FSLayers in manifest for team/app"},
        ManifestCase{"HistoryNotJson", [](auto& m) { m["history"][1]["v1Compatibility"] = "{"; },
                     "history[1]: v1Compatibility: syntax error"},
        ManifestCase{"HistoryNoObject", [](auto& m) { m["history"][0]["v1Compatibility"] = "[]"; },
                     "history[0]: expected an object"},
        ManifestCase{"HistoryNoText", [](auto& m) { m["history"][0]["v1Compatibility"] = 1; },
                     "\"v1Compatibility\" must be a string"},
        ManifestCase{"ThrowawayNoFlag",
                     [](auto& m) {
                       auto entry = make_entry(1);
                       entry["throwaway"] = "yes";
                       m["history"][0]["v1Compatibility"] = entry.dump();
                     },
                     "\"throwaway\" must be a boolean"},
        ManifestCase{"TwoIds",
                     [](auto& m) {
                       const std::string text = m["history"][1]["v1Compatibility"];
                       m["history"][1]["v1Compatibility"] = R"({"id":")" + id(5) + "\"," + text.substr(1);
                     },
                     "duplicate key"},
        ManifestCase{"OtherCaseInHistory",
                     [](auto& m) {
                       auto entry = make_entry(1);
                       entry["ID"] = id(5);
                       m["history"][0]["v1Compatibility"] = entry.dump();
                     },
                     "\"ID\" is not \"id\""},
        ManifestCase{"BlobIsNoDigest", [](auto& m) { m["fsLayers"][0]["blobSum"] = "sha256:abc"; },
                     "invalid checksum digest length"},
        ManifestCase{"NoBlob", [](auto& m) { m["fsLayers"][0] = ordered_json::object(); }, "\"blobSum\" is missing"},
        ManifestCase{"LayerNoObject", [](auto& m) { m["fsLayers"][0] = 1; }, "expected an object"},
        ManifestCase{"Schema2", [](auto& m) { m["schemaVersion"] = 2; }, "unrecognized Docker image manifest schema 2"},
        ManifestCase{"NoVersion", [](auto& m) { m.erase("schemaVersion"); }, "\"schemaVersion\" is missing"},
        ManifestCase{"WithConfig", [](auto& m) { m["config"] = ordered_json::object(); }, "has \"config\""},
        ManifestCase{"WithLayers", [](auto& m) { m["layers"] = ordered_json::array(); }, "has \"layers\""},
        ManifestCase{"WithManifests", [](auto& m) { m["manifests"] = ordered_json::array(); }, "has \"manifests\""},
        ManifestCase{"WithOtherType", [](auto& m) { m["mediaType"] = media_type::kOciManifest; },
                     "says to be application/vnd.oci.image.manifest.v1+json"},
        ManifestCase{"SignedTwice", [](auto& m) { m["signatures"] = ordered_json::array(); },
                     "signatures in what was signed"},
        ManifestCase{"OtherCase", [](auto& m) { m["FsLayers"] = ordered_json::array(); },
                     "\"FsLayers\" is not \"fsLayers\""},
        ManifestCase{"TooManyEntries",
                     [](auto& m) {
                       while (m["fsLayers"].size() <= kMaxDescriptors) {
                         m["fsLayers"].push_back(m["fsLayers"][0]);
                         m["history"].push_back(m["history"][0]);
                       }
                     },
                     "more than 1000 entries"}),
    [](const auto& test_case) { return test_case.param.name; });

TEST(Schema1Test, HasNoMoreLayersThanAnImage) {
  const int most = static_cast<int>(kMaxLayers);
  auto chain = make_chain(1);
  const auto grow = [&chain](int count) {
    while (static_cast<int>(chain.size()) < count) {
      ordered_json entry = make_entry(0);
      entry["id"] = id(static_cast<int>(chain.size()));
      entry["parent"] = chain.back()["id"];
      chain.push_back(entry);
    }
  };
  grow(most);
  EXPECT_EQ(parse_schema1(payload_of(make_manifest(chain))).layers().size(), kMaxLayers);
  grow(most + 1);
  EXPECT_NE(refusal_of(chain).find("more than 127 layers"), std::string::npos);
  chain.back()["throwaway"] = true;
  EXPECT_EQ(refusal_of(chain), "taken");
}

// The config.

std::string config_of(const std::vector<ordered_json>& chain) {
  const auto manifest = parse_schema1(payload_of(make_manifest(chain)));
  std::vector<DiffID> diff_ids;
  for (std::size_t i = 0; i < manifest.layers().size(); ++i)
    diff_ids.push_back(digest_of(base::as_bytes("tar " + std::to_string(i))));
  return make_schema1_config(manifest, diff_ids);
}

TEST(Schema1ConfigTest, IsTheNewestEntryWithRootfsAndHistory) {
  auto chain = make_chain(3);
  chain[0]["author"] = "somebody";
  chain[1]["throwaway"] = true;
  chain[1]["comment"] = "nothing";
  for (const char* name : {"parent_id", "layer_id"}) chain[2][name] = "x";
  chain[2]["Size"] = 5;
  chain[2]["own"] = {{"b", 1}, {"a", "x && <y>"}};
  const std::string tar0 = digest_of(base::as_bytes("tar 0")).to_string();
  const std::string tar1 = digest_of(base::as_bytes("tar 1")).to_string();
  EXPECT_EQ(
      config_of(chain),
      R"({"architecture":"amd64","config":{"Env":["A=b"],"Labels":{"a":"b"}},)"
      R"("container_config":{"Cmd":["/bin/sh","-c","step 2"]},"created":"2015-01-03T00:00:00Z",)"
      R"("docker_version":"1.9.1","history":[)"
      R"({"created":"2015-01-01T00:00:00Z","author":"somebody","created_by":"/bin/sh -c step 0"},)"
      R"({"created":"2015-01-02T00:00:00Z","created_by":"/bin/sh -c step 1","comment":"nothing","empty_layer":true},)"
      R"({"created":"2015-01-03T00:00:00Z","created_by":"/bin/sh -c step 2"}],)"
      R"("os":"linux","own":{"b":1,"a":"x \u0026\u0026 \u003cy\u003e"},)"
      R"("rootfs":{"type":"layers","diff_ids":[")" +
          tar0 + "\",\"" + tar1 + "\"]}}");
}

// As of the first Dockers, which had Linux in mind.
TEST(Schema1ConfigTest, HasThePlatformOfTheManifestWhereItHasNone) {
  auto chain = make_chain(2);
  for (auto& image : chain)
    for (const char* name : {"architecture", "os"}) image.erase(name);
  auto manifest = make_manifest(chain);
  manifest["architecture"] = "arm";
  const Platform platform = describe_schema1(parse_schema1(payload_of(manifest))).platform;
  EXPECT_EQ(platform.architecture, "arm");
  EXPECT_EQ(platform.os, "linux");
  chain.back()["architecture"] = "amd64";
  EXPECT_EQ(describe_schema1(parse_schema1(payload_of(make_manifest(chain)))).platform.architecture, "amd64");
}

TEST(Schema1ConfigTest, IsWhatAnyConfigIs) {
  auto chain = make_chain(3);
  chain[1]["throwaway"] = true;
  const ImageConfig config = parse_image_config(config_of(chain));
  EXPECT_EQ(config.platform.architecture, "amd64");
  EXPECT_EQ(config.diff_ids.size(), 2U);
  EXPECT_EQ(config.history.size(), 3U);
  EXPECT_TRUE(config.history[1].empty_layer);
  EXPECT_EQ(config.labels.at("a"), "b");
}

// Docker's structures had these members whether or not there was something to say.
constexpr const char* kOldRuntime =
    R"("Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,)";

TEST(Schema1ConfigTest, OfAnOldDockerHasAllThatItsStructuresHad) {
  auto chain = make_chain(1);
  chain[0]["docker_version"] = "1.8.2";
  chain[0]["own"] = "goes";
  chain[0]["config"] = {{"Cmd", "/bin/sh"}, {"Labels", {{"z", "1"}, {"a", "2"}}}, {"Memory", 0}, {"Tty", true}};
  const std::string tar0 = digest_of(base::as_bytes("tar 0")).to_string();
  EXPECT_EQ(config_of(chain),
            R"({"architecture":"amd64","config":{)" + std::string(kOldRuntime) +
                R"("Tty":true,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":["/bin/sh"],"Image":"",)"
                R"("Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{"a":"2","z":"1"}},)"
                R"("container_config":{)" +
                kOldRuntime +
                R"("Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":["/bin/sh","-c","step 0"],)"
                R"("Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null},)"
                R"("created":"2015-01-01T00:00:00Z","docker_version":"1.8.2",)"
                R"("history":[{"created":"2015-01-01T00:00:00Z","created_by":"/bin/sh -c step 0"}],)"
                R"("os":"linux","rootfs":{"type":"layers","diff_ids":[")" +
                tar0 + "\"]}}");
}

TEST(Schema1ConfigTest, IsTakenVerbatimSinceDocker183) {
  const auto keeps_own = [](const char* version) {
    auto chain = make_chain(1);
    chain[0]["docker_version"] = version;
    chain[0]["own"] = "here";
    return config_of(chain).find("\"own\"") != std::string::npos;
  };
  for (const char* version : {"1.8.3", "1.8.10", "1.9", "1.8.3.1", "2", "20.10.5+dfsg1", "17.03.0-ce"})
    EXPECT_TRUE(keeps_own(version)) << version;
  for (const char* version : {"", "1.8.2", "1.8", "1.8.3-rc1", "1", "0.9.1", "dev", "1.7.99"})
    EXPECT_FALSE(keeps_own(version)) << version;
}

TEST(Schema1ConfigTest, TimesThatNobodyKnowsAreGosZero) {
  auto chain = make_chain(2);
  chain[0].erase("created");
  chain[1]["created"] = "0001-01-01T00:00:00Z";
  const auto history = ordered_json::parse(config_of(chain))["history"];
  EXPECT_EQ(history[0]["created"], "0001-01-01T00:00:00Z");
  EXPECT_EQ(history[1]["created"], "0001-01-01T00:00:00Z");
  EXPECT_FALSE(parse_image_config(config_of(chain)).created);
}

TEST(Schema1ConfigTest, NeedsADiffIdForEachLayer) {
  const auto manifest = parse_schema1(payload_of(make_manifest(make_chain(2))));
  EXPECT_EQ(refusal_of([&] { make_schema1_config(manifest, {blob(0)}); }),
            "number of layers and diffIDs don't match: 2 != 1");
}

TEST(Schema1ConfigTest, OfNothingButThrowawaysHasNoLayers) {
  auto chain = make_chain(2);
  for (auto& entry : chain) entry["throwaway"] = true;
  EXPECT_TRUE(parse_image_config(config_of(chain)).diff_ids.empty());
}

TEST(Schema1ConfigTest, CanBeDescribedWithoutLayers) {
  const auto config = describe_schema1(parse_schema1(payload_of(make_manifest(make_chain(2)))));
  EXPECT_TRUE(config.diff_ids.empty());
  EXPECT_EQ(config.docker_version, "1.9.1");
  EXPECT_EQ(config.history.size(), 2U);
  EXPECT_EQ(config.history[1].created_by, "/bin/sh -c step 1");
}

TEST(Schema1ConfigTest, WhatIsNoConfigIsRefused) {
  for (const auto& [key, value] : std::vector<std::pair<const char*, ordered_json>>{
           {"config", "text"}, {"container_config", 1}, {"created", 5}, {"author", 1}, {"docker_version", 1.8}}) {
    auto chain = make_chain(1);
    chain[0][key] = value;
    const auto manifest = parse_schema1(payload_of(make_manifest(chain)));
    EXPECT_NE(refusal_of([&] { describe_schema1(manifest); }), "taken") << key;
  }
}

// Whatever a registry sends, it is taken or refused.
TEST(Schema1MutationTest, EndsInAnImageOrAnError) {
  auto chain = make_chain(3);
  chain[1]["throwaway"] = true;
  chain[2]["docker_version"] = "1.7.0";
  const std::string payload = payload_of(make_manifest(chain));
  const std::string body = sign(payload, {claims_of(payload), claims_of(payload)});
  std::mt19937 random(1);
  int taken = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string mutated = round % 2 == 0 ? body : payload;
    for (auto edits = 1 + random() % 3; edits > 0; --edits) {
      const std::size_t at = random() % mutated.size();
      if (random() % 4 == 0) {
        mutated.erase(at, random() % 20);
      } else {
        mutated[at] = R"(0a"{}[],:\ )"[random() % 11];
      }
    }
    try {
      (void)find_schema1_type(mutated, "");
      const auto manifest = parse_schema1(schema1_payload(mutated));
      EXPECT_LE(manifest.entries.size(), 3U);
      (void)make_schema1_config(manifest, manifest.layers());
      ++taken;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument) << error.what();
    }
  }
  EXPECT_GT(taken, 0);
}

}  // namespace
}  // namespace lighterd::oci
