// SPDX-License-Identifier: Apache-2.0
#include "oci/descriptor.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "base/error.hpp"
#include "base/json.hpp"

namespace lighterd::oci {
namespace {

const std::string kDigest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

Descriptor parse(const std::string& text) {
  return descriptor_from_json(base::parse_json(text, "descriptor"));
}
std::string with_size(const std::string& size) {
  return R"({"digest":")" + kDigest + R"(","size":)" + size + "}";
}

TEST(MediaTypeTest, Kinds) {
  using namespace media_type;
  EXPECT_TRUE(is_index(kDockerList) && is_index(kOciIndex));
  EXPECT_FALSE(is_index(kOciManifest) || is_index("") || is_index("application/json"));
  EXPECT_TRUE(is_manifest(kDockerManifest) && is_manifest(kOciManifest));
  EXPECT_FALSE(is_manifest(kOciIndex) || is_manifest(kDockerSchema1));
  EXPECT_TRUE(is_schema1(kDockerSchema1) && is_schema1(kDockerSchema1Signed));
  EXPECT_FALSE(is_schema1(kDockerManifest));
  EXPECT_TRUE(is_image_config(kDockerConfig) && is_image_config(kOciConfig));
  EXPECT_FALSE(is_image_config("application/vnd.docker.plugin.v1+json") || is_image_config(""));
}

TEST(MediaTypeTest, Layers) {
  using namespace media_type;
  for (const std::string base :
       {"application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar"}) {
    const bool oci = base.find("oci") != std::string::npos;
    const bool foreign = base.find("foreign") != std::string::npos || base.find("nondist") != std::string::npos;
    for (const std::string compression : {"", "gzip"}) {
      std::string type = base;
      if (!compression.empty()) type.append(oci ? "+" : ".").append(compression);
      EXPECT_TRUE(is_layer(type)) << type;
      EXPECT_EQ(is_foreign_layer(type), foreign) << type;
    }
  }
  EXPECT_TRUE(is_layer("application/vnd.oci.image.layer.v1.tar+zstd"));
  EXPECT_TRUE(is_layer("application/vnd.docker.image.rootfs.diff.tar.zstd"));
  for (const char* other : {"", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "application/vnd.in-toto+json",
                            "application/octet-stream", "application/vnd.oci.image.layer.v1.tar.gzip"})
    EXPECT_FALSE(is_layer(other)) << other;
}

TEST(MediaTypeTest, ParametersAreStripped) {
  EXPECT_EQ(media_type::strip_parameters(" Application/JSON ; charset=utf-8"), "application/json");
  EXPECT_EQ(media_type::strip_parameters("text/html"), "text/html");
  EXPECT_EQ(media_type::strip_parameters(";"), "");
  EXPECT_EQ(media_type::strip_parameters(""), "");
}

TEST(DescriptorTest, ReadsAndWritesEveryMember) {
  const std::string text =
      R"({"annotations":{"a":"b"},"artifactType":"t","digest":")" + kDigest +
      R"(","mediaType":"m","platform":{"architecture":"arm64","os":"linux"},"size":9223372036854775807,"urls":["u"]})";
  const Descriptor descriptor = parse(text);
  EXPECT_EQ(descriptor.media_type, "m");
  EXPECT_EQ(descriptor.digest.to_string(), kDigest);
  EXPECT_EQ(descriptor.size_bytes, INT64_MAX);
  EXPECT_EQ(descriptor.annotations.at("a"), "b");
  EXPECT_EQ(descriptor.artifact_type, "t");
  ASSERT_TRUE(descriptor.platform.has_value());
  EXPECT_EQ(descriptor.platform->architecture, "arm64");
  EXPECT_EQ(descriptor.urls, std::vector<std::string>{"u"});
  EXPECT_EQ(base::to_text(to_json(descriptor)), text);
}

TEST(DescriptorTest, UnknownAndNullMembersAreIgnored) {
  const Descriptor descriptor = parse(R"({"mediaType":"m","digest":")" + kDigest +
                                      R"(","size":0,"new":[1],"data":"e30=","annotations":null,"platform":null})");
  EXPECT_EQ(base::to_text(to_json(descriptor)), R"({"digest":")" + kDigest + R"(","mediaType":"m","size":0})");
}

TEST(DescriptorTest, RefusesBadSizes) {
  for (const char* bad : {"-1", "9223372036854775808", "18446744073709551615", "18446744073709551616", "1e30", "1.5",
                          "1.0", "\"1\"", "null", "true", "[]", "{}"}) {
    try {
      parse(with_size(bad));
      ADD_FAILURE() << "accepted " << bad;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument) << bad;
      EXPECT_NE(error.text().find("size"), std::string::npos) << error.text();
    }
  }
  EXPECT_THROW(parse(R"({"digest":")" + kDigest + R"("})"), base::Error);
  EXPECT_EQ(parse(with_size("0")).size_bytes, 0);
}

TEST(DescriptorTest, RefusesWrongTypesAndCaseVariants) {
  const auto with = [](const std::string& member) {
    return R"({"digest":")" + kDigest + R"(","size":1,)" + member + "}";
  };
  for (const char* bad : {R"("mediaType":1)", R"("annotations":[])", R"("annotations":{"a":1})", R"("urls":"u")",
                          R"("urls":[1])", R"("platform":"linux")", R"("platform":{"os":1})", R"("artifactType":{})",
                          R"("Size":2)", R"("DIGEST":"x")", R"("mediatype":"x")", "\"\xC5\xBFize\":2"})
    EXPECT_THROW(parse(with(bad)), base::Error) << bad;
  for (const char* bad : {"[]", "null", "1", "{}", R"({"size":1})", R"({"digest":"sha256:../../etc/passwd","size":1})",
                          R"({"digest":"md5:d41d8cd98f00b204e9800998ecf8427e","size":1})", R"({"digest":7,"size":1})"})
    EXPECT_THROW(parse(bad), base::Error) << bad;
}

TEST(DescriptorTest, Attestations) {
  Descriptor descriptor = parse(with_size("1"));
  EXPECT_FALSE(is_attestation(descriptor));
  descriptor.annotations["vnd.docker.reference.digest"] = kDigest;
  EXPECT_FALSE(is_attestation(descriptor));
  descriptor.annotations["vnd.docker.reference.type"] = "attestation-manifest";
  EXPECT_TRUE(is_attestation(descriptor));
  descriptor.annotations.clear();
  descriptor.platform =
      Platform{.architecture = "unknown", .os = "unknown", .os_version = {}, .os_features = {}, .variant = {}};
  EXPECT_TRUE(is_attestation(descriptor));
  descriptor.platform->os = "linux";
  EXPECT_FALSE(is_attestation(descriptor));
}

}  // namespace
}  // namespace lighterd::oci
