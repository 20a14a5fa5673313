// SPDX-License-Identifier: Apache-2.0
#include "oci/image_layout.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace lighterd::oci {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string name_of(const std::map<std::string, std::string>& annotations) {
  const Descriptor entry{
      .media_type = {}, .digest = parse_digest(kDigest), .size_bytes = 1, .annotations = annotations};
  const auto name = find_layout_name(entry);
  return name ? name->to_string() : "none";
}

TEST(ImageLayoutTest, KnowsItsVersion) {
  EXPECT_NO_THROW(check_layout_version(R"({"imageLayoutVersion":"1.0.0"})"));
  for (const char* bytes : {R"({"imageLayoutVersion":"1.1.0"})", "{}", "[]", ""})
    EXPECT_THROW(check_layout_version(bytes), base::Error) << bytes;
}

TEST(ImageLayoutTest, ReadsAnIndex) {
  const auto entries = parse_layout_index(R"({"schemaVersion":2,"manifests":[{"mediaType":"m","digest":")" + kDigest +
                                          R"(","size":3,"annotations":{"a":"b"}}]})");
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].size_bytes, 3);
  EXPECT_EQ(entries[0].annotations.at("a"), "b");
  EXPECT_TRUE(parse_layout_index(R"({"manifests":null})").empty());
  EXPECT_TRUE(parse_layout_index("{}").empty());
}

TEST(ImageLayoutTest, RefusesWhatIsNoIndex) {
  for (const std::string& bytes :
       {std::string("[]"), std::string("null"), std::string(R"({"manifests":{}})"), std::string(R"({"manifests":[1]})"),
        std::string(R"({"manifests":[],"layers":[]})"), std::string(R"({"Manifests":[]})"),
        R"({"manifests":[{"mediaType":"m","digest":")" + kDigest + R"(","size":-1}]})"})
    EXPECT_THROW(parse_layout_index(bytes), base::Error) << bytes;
}

TEST(ImageLayoutTest, FindsNames) {
  const std::string full = "io.containerd.image.name";
  const std::string reference = "org.opencontainers.image.ref.name";
  EXPECT_EQ(name_of({{full, "docker.io/library/a:1"}, {reference, "b:2"}}), "docker.io/library/a:1");
  EXPECT_EQ(name_of({{full, "a"}}), "docker.io/library/a:latest");
  EXPECT_EQ(name_of({{reference, "b:2"}}), "docker.io/library/b:2");
  EXPECT_EQ(name_of({{full, "a:1@" + kDigest}}), "docker.io/library/a:1");
  EXPECT_EQ(name_of({{full, "a@" + kDigest}}), "docker.io/library/a@" + kDigest);
  for (const auto& annotations :
       std::vector<std::map<std::string, std::string>>{{},
                                                       {{reference, "latest"}},
                                                       {{reference, "1.0"}},
                                                       {{full, "BAD:1"}},
                                                       {{full, ""}},
                                                       {{full, "a@sha256:" + std::string(64, 'b')}}})
    EXPECT_EQ(name_of(annotations), "none");
}

}  // namespace
}  // namespace lighterd::oci
