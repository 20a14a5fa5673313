// SPDX-License-Identifier: Apache-2.0
#include "api/registry/accept_types.hpp"

#include <gtest/gtest.h>

#include "oci/descriptor.hpp"

namespace lighterd::api::registry {
namespace {

namespace media_type = oci::media_type;

AcceptTypes parse(const std::vector<std::string>& lines) {
  Headers headers;
  headers.add("Host", "localhost");
  for (const std::string& line : lines) headers.add("accept", line);
  return parse_accept(headers);
}

TEST(AcceptTypesTest, TakesEverythingWithoutAHeaderAndWithAWildcard) {
  for (const auto& lines : std::vector<std::vector<std::string>>{
           {}, {"*/*"}, {"application/*"}, {"text/html, */*;q=0.1"}, {"text/html", "*/*"}}) {
    const AcceptTypes types = parse(lines);
    for (const auto type :
         {media_type::kDockerManifest, media_type::kDockerList, media_type::kOciManifest, media_type::kOciIndex})
      EXPECT_TRUE(types.takes(type)) << type;
  }
}

TEST(AcceptTypesTest, TakesWhatIsListedInWhateverForm) {
  const AcceptTypes types = parse(
      {std::string(media_type::kDockerManifest) + ";q=0.5 , text/plain", "Application/vnd.OCI.image.index.v1+json"});
  EXPECT_TRUE(types.takes(media_type::kDockerManifest));
  EXPECT_TRUE(types.takes(media_type::kOciIndex));
  EXPECT_FALSE(types.takes(media_type::kDockerList));
  EXPECT_FALSE(types.takes(media_type::kOciManifest));
}

TEST(AcceptTypesTest, TakesNothingOfALineWithOtherTypes) {
  const AcceptTypes types = parse({"text/html,,", ""});
  EXPECT_FALSE(types.takes(media_type::kDockerManifest));
  EXPECT_FALSE(types.takes(media_type::kOciIndex));
  EXPECT_FALSE(types.takes("text/html"));
}

}  // namespace
}  // namespace lighterd::api::registry
