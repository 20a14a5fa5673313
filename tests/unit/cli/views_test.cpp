// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/images_view.hpp"
#include "cli/inspect_view.hpp"
#include "cli/plan_view.hpp"

namespace lighterd::cli {
namespace {

const base::Timestamp kNow = *base::parse_rfc3339("2024-06-05T18:18:12Z");

TEST(InspectViewTest, ShowsWhatThereIs) {
  const base::Json document = base::Json::parse(R"({
    "Name": "docker.io/library/alpine", "Tag": "3", "Digest": "sha256:aa", "MediaType": "application/index",
    "Size": 1853, "RepoTags": ["3", "latest"], "Created": "2024-05-22T18:18:12Z", "DockerVersion": "", "Author": "",
    "Labels": {"a": "b\u001b[2J"}, "Architecture": "arm64", "Os": "linux", "Variant": "v8",
    "Layers": [{"Digest": "sha256:cc", "MediaType": "application/layer", "Size": 3622892},
               {"Digest": "sha256:dd", "MediaType": "application/layer", "Size": -1}],
    "LayersTotalSize": 3622892, "Env": ["PATH=/usr/bin"], "Config": {"Cmd": ["/bin/sh"]},
    "History": [{"Created": "2024-05-22T18:18:12Z", "CreatedBy": "/bin/sh -c x", "Comment": "c", "Author": "",
                 "EmptyLayer": true}],
    "ManifestDigest": "sha256:bb", "ConfigDigest": "sha256:ee", "ArtifactType": "",
    "Platforms": [{"Platform": "linux/arm64/v8", "Digest": "sha256:bb", "MediaType": "application/manifest", "Size": 528}],
    "Referrers": [{"digest": "sha256:ff", "size": 7, "artifactType": "application/x"}]})");
  EXPECT_EQ(render_inspect(document, kNow),
            "Name:         docker.io/library/alpine\n"
            "Tag:          3\n"
            "Digest:       sha256:aa\n"
            "Media type:   application/index\n"
            "Platform:     linux/arm64/v8\n"
            "Manifest:     sha256:bb\n"
            "Config:       sha256:ee\n"
            "Created:      2024-05-22T18:18:12Z (2 weeks ago)\n"
            "Layers' size: 3.62MB\n"
            "Tags:         3, latest\n"
            "\n"
            "Labels:\n"
            "  a=b?[2J\n"
            "\n"
            "Environment:\n"
            "  PATH=/usr/bin\n"
            "\n"
            "Platforms:\n"
            "  PLATFORM         DIGEST      SIZE   MEDIA TYPE\n"
            "  linux/arm64/v8   sha256:bb   528B   application/manifest\n"
            "\n"
            "Layers:\n"
            "  DIGEST        SIZE   MEDIA TYPE\n"
            "  sha256:cc   3.62MB   application/layer\n"
            "  sha256:dd        ?   application/layer\n"
            "\n"
            "History:\n"
            "  CREATED       LAYER   CREATED BY     COMMENT\n"
            "  2 weeks ago   no      /bin/sh -c x   c\n"
            "\n"
            "Referrers:\n"
            "  DIGEST      SIZE   ARTIFACT TYPE\n"
            "  sha256:ff     7B   application/x\n");
}

TEST(InspectViewTest, WhatIsNullHasNoLine) {
  const auto document = base::Json::parse(
      R"({"Name":"a","Digest":"d","ManifestDigest":"d","Labels":null,"Env":null,"RepoTags":null,"Referrers":null,"Layers":[]})");
  EXPECT_EQ(render_inspect(document, kNow), "Name:   a\nDigest: d\n");
}

TEST(InspectViewTest, ManyTagsAreCounted) {
  base::Json document = {{"RepoTags", base::Json::array()}};
  for (int i = 0; i < 1000; ++i) document["RepoTags"].push_back(std::to_string(i));
  const std::string text = render_inspect(document, kNow);
  EXPECT_NE(text.find("18, 19 and 980 more\n"), std::string::npos) << text;
}

TEST(PlanViewTest, ListsBlobsAndTheTotal) {
  const auto document = base::Json::parse(R"({
    "Name": "docker.io/library/alpine", "Tag": "3", "Digest": "sha256:aa", "UpToDate": false, "Fetch": 3624998,
    "Reuse": 12, "DiskNeeded": 3624998, "DiskFree": 69312204800,
    "Blobs": [{"Digest": "sha256:0123456789abcdef", "MediaType": "x", "Kind": "layer", "Size": 3622904, "Fetch": 3622892,
               "Reuse": 12}]})");
  EXPECT_EQ(render_plan(document),
            "Name:   docker.io/library/alpine\n"
            "Tag:    3\n"
            "Digest: sha256:aa\n"
            "\n"
            "DIGEST         KIND      SIZE    FETCH   REUSE\n"
            "0123456789ab   layer   3.62MB   3.62MB     12B\n"
            "\n"
            "Total: 3.62MB to fetch, 12B reused; disk: 3.62MB needed, 69.3GB free\n");
}

TEST(PlanViewTest, SaysThatNothingIsToBeDone) {
  const auto document = base::Json::parse(R"({"Name":"a","UpToDate":true,"Fetch":0,"Reuse":9,"Blobs":[]})");
  EXPECT_NE(render_plan(document).find("The image is up to date.\n"), std::string::npos);
}

const base::Json kImages = base::Json::parse(R"([
  {"Id": "sha256:0123456789abcdef", "Created": 1716401892, "Size": 3622892,
   "RepoTags": ["localhost:5000/a:1", "b:2"], "RepoDigests": ["localhost:5000/a@sha256:d1"]},
  {"Id": "sha256:fedcba9876543210", "Created": 0, "Size": 5, "RepoTags": [], "RepoDigests": ["c@sha256:d2"]},
  {"Id": "sha256:aaaaaaaaaaaaaaaa", "Created": 1716401892, "Size": 5, "RepoTags": null, "RepoDigests": null}])");

TEST(ImagesViewTest, HasARowForEachTag) {
  EXPECT_EQ(render_images(kImages, {}, kNow),
            "REPOSITORY         TAG      IMAGE ID       CREATED       SIZE\n"
            "localhost:5000/a   1        0123456789ab   2 weeks ago   3.62MB\n"
            "b                  2        0123456789ab   2 weeks ago   3.62MB\n"
            "c                  <none>   fedcba987654   N/A           5B\n"
            "<none>             <none>   aaaaaaaaaaaa   2 weeks ago   5B\n");
}

TEST(ImagesViewTest, DigestsAreThoseOfTheRepository) {
  const std::string text = render_images(kImages, {.with_digests = true, .whole_ids = true}, kNow);
  EXPECT_NE(text.find("localhost:5000/a   1        sha256:d1   sha256:0123456789abcdef"), std::string::npos) << text;
  EXPECT_NE(text.find("b                  2        <none>      sha256:0123456789abcdef"), std::string::npos) << text;
}

TEST(ImagesViewTest, ATimeThatNoClockCanHoldIsNotThePast) {
  const auto images = base::Json::parse(R"([{"Id":"sha256:00","Created":9223372036854775807,"Size":1}])");
  EXPECT_NE(render_images(images, {}, kNow).find("Less than a second ago"), std::string::npos);
}

TEST(ImagesViewTest, QuietIsIdsAlone) {
  EXPECT_EQ(render_images(kImages, {.quiet = true}, kNow), "0123456789ab\nfedcba987654\naaaaaaaaaaaa\n");
}

}  // namespace
}  // namespace lighterd::cli
