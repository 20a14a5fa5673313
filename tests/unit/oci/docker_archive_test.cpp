// SPDX-License-Identifier: Apache-2.0
#include "oci/docker_archive.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "oci/manifest.hpp"

namespace lighterd::oci {
namespace {

std::string error_of(const std::string& bytes) {
  try {
    parse_docker_archive(bytes);
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
    return error.text();
  }
  return "nothing was thrown";
}

TEST(DockerArchiveTest, ReadsImages) {
  const auto images = parse_docker_archive(
      R"([{"Config":"c.json","RepoTags":["a:1","b:2"],"Layers":["x","y"],"Parent":"p"},{"Config":"d","RepoTags":null}])");
  ASSERT_EQ(images.size(), 2U);
  EXPECT_EQ(images[0].config, "c.json");
  EXPECT_EQ(images[0].repo_tags, (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(images[0].layers, (std::vector<std::string>{"x", "y"}));
  EXPECT_TRUE(images[1].repo_tags.empty());
  EXPECT_TRUE(images[1].layers.empty());
  EXPECT_TRUE(parse_docker_archive("[]").empty());
}

TEST(DockerArchiveTest, SaysWhatIsWrong) {
  EXPECT_EQ(error_of("null"), "invalid manifest, manifest cannot be null (but can be [])");
  for (const char* bytes : {"{}", "[1]", "[{}]", R"([{"Config":1}])", R"([{"Config":"a","RepoTags":"b"}])",
                            R"([{"Config":"a","Layers":[1]}])", R"([{"Config":"a","config":"b"}])", "[", ""})
    EXPECT_NE(error_of(bytes), "nothing was thrown") << bytes;
  std::string layers;
  for (int i = 0; i < 128; ++i) layers += i == 0 ? "\"l\"" : ",\"l\"";
  EXPECT_NE(error_of(R"([{"Config":"a","Layers":[)" + layers + "]}]").find("more than 127 layers"), std::string::npos);
}

TEST(DockerArchiveTest, MakesTheManifestThatContainerdMakes) {
  const Descriptor config{.media_type = std::string(media_type::kDockerConfig),
                          .digest = parse_digest("sha256:" + std::string(64, 'a')),
                          .size_bytes = 7};
  const Descriptor layer{.media_type = std::string(media_type::kDockerLayerGzip),
                         .digest = parse_digest("sha256:" + std::string(64, 'b')),
                         .size_bytes = 8};
  const std::string bytes = make_docker_manifest(config, {layer});
  EXPECT_EQ(bytes, R"({"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",)"
                   R"("config":{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"sha256:)" +
                       std::string(64, 'a') +
                       R"(","size":7},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip",)"
                       R"("digest":"sha256:)" +
                       std::string(64, 'b') + R"(","size":8}]})");
  EXPECT_TRUE(std::get<Manifest>(parse_document(bytes, media_type::kDockerManifest, "x")).is_image());
  EXPECT_NE(make_docker_manifest(config, {}).find(R"("layers":[])"), std::string::npos);
}

}  // namespace
}  // namespace lighterd::oci
