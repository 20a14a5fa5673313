// SPDX-License-Identifier: Apache-2.0
#include "oci/image_config.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.hpp"
#include "oci/manifest.hpp"

namespace lighterd::oci {
namespace {

const std::string kDiffA = "sha256:" + std::string(64, 'a');
const std::string kDiffB = "sha256:" + std::string(64, 'b');
const std::string kTwoLayers = R"("rootfs":{"type":"layers","diff_ids":[")" + kDiffA + R"(",")" + kDiffB + R"("]})";
const std::string kNoLayers = R"("rootfs":{"type":"layers","diff_ids":[]})";

std::string error_of(const std::string& text) {
  try {
    parse_image_config(text);
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
    return error.text();
  }
  return "no error";
}

TEST(ImageConfigTest, ReadsWhatIsShown) {
  const ImageConfig config = parse_image_config(R"({"architecture":"arm","os":"linux","variant":"v7",
    "created":"2024-01-02T03:04:05.5Z","author":"me","comment":"hi","docker_version":"27","container":"c0",
    "container_config":{"Cmd":["x"]},
    "config":{"Labels":{"a":"b","n":null},"Env":["P=1"],"New":{"kept":true}},
    "history":[{"created":"2024-01-01T00:00:00Z","created_by":"ADD","author":"w","comment":"c"},
               {"created_by":"ENV","empty_layer":true},{"created_by":"RUN","empty_layer":false}],)" +
                                                kTwoLayers + "}");
  EXPECT_EQ(to_string(config.platform), "linux/arm/v7");
  ASSERT_TRUE(config.created.has_value());
  EXPECT_EQ(base::format_rfc3339(*config.created), "2024-01-02T03:04:05.5Z");
  EXPECT_EQ(config.author, "me");
  EXPECT_EQ(config.comment, "hi");
  EXPECT_EQ(config.docker_version, "27");
  EXPECT_EQ(config.container, "c0");
  EXPECT_EQ(config.container_config_json, R"({"Cmd":["x"]})");
  EXPECT_EQ(config.runtime_json, R"({"Env":["P=1"],"Labels":{"a":"b","n":null},"New":{"kept":true}})");
  EXPECT_EQ(config.labels, (std::map<std::string, std::string>{{"a", "b"}, {"n", ""}}));
  ASSERT_EQ(config.diff_ids.size(), 2U);
  EXPECT_EQ(config.diff_ids[0].to_string(), kDiffA);
  EXPECT_EQ(config.diff_ids[1].to_string(), kDiffB);
  ASSERT_EQ(config.history.size(), 3U);
  EXPECT_EQ(config.history[0].created_by, "ADD");
  EXPECT_EQ(config.history[0].author, "w");
  EXPECT_EQ(config.history[0].comment, "c");
  EXPECT_TRUE(config.history[0].created.has_value());
  EXPECT_TRUE(config.history[1].empty_layer);
  EXPECT_FALSE(config.history[1].created.has_value());
  EXPECT_FALSE(config.history[2].empty_layer);
}

TEST(ImageConfigTest, LittleIsNeeded) {
  const ImageConfig config = parse_image_config("{" + kNoLayers + R"(,"config":null,"history":null,"created":null})");
  EXPECT_EQ(config.platform, Platform{});
  EXPECT_EQ(config.created, std::nullopt);
  EXPECT_EQ(config.runtime_json, "{}");
  EXPECT_EQ(config.container_config_json, "");
  EXPECT_TRUE(config.history.empty() && config.labels.empty() && config.diff_ids.empty());
}

TEST(ImageConfigTest, TimesThatCannotBeHeldAreNone) {
  EXPECT_EQ(parse_image_config("{" + kNoLayers + R"(,"created":"0001-01-01T00:00:00Z"})").created, std::nullopt);
  EXPECT_EQ(parse_image_config("{" + kNoLayers + R"(,"created":"yesterday"})").created, std::nullopt);
}

TEST(ImageConfigTest, IdentityClaimsAndLabelsAreInert) {
  const ImageConfig config = parse_image_config(
      R"({"id":")" + kDiffA + R"(","parent":"../../etc","config":{"Labels":{"containerd.io/gc.root":"1",
        "../../etc/passwd":"x"}},)" +
      kNoLayers + "}");
  EXPECT_EQ(config.labels.size(), 2U);
  EXPECT_EQ(config.labels.at("../../etc/passwd"), "x");
}

struct BadCase {
  std::string text;
  std::string error;
};

TEST(ImageConfigTest, RefusesWhatDoesNotFit) {
  const BadCase cases[] = {
      {"", "image config: syntax error at byte 1"},
      {"[]", "image config: expected an object"},
      {"{" + kNoLayers + "}" + std::string(1, '\0') + "x", "image config: holds a NUL byte"},
      {"{}", R"(image config: "rootfs" is missing)"},
      {R"({"rootfs":null})", R"(image config: "rootfs" is missing)"},
      {R"({"rootfs":[]})", R"(image config: "rootfs" must be an object)"},
      {R"({"rootfs":{"diff_ids":[]}})", R"(image config: "type" is missing)"},
      {R"({"rootfs":{"type":"tree","diff_ids":[]}})", R"(image config: "rootfs.type" must be "layers")"},
      {R"({"rootfs":{"type":"layers"}})", R"(image config: "rootfs.diff_ids" is missing)"},
      {R"({"rootfs":{"type":"layers","diff_ids":null}})", R"(image config: "rootfs.diff_ids" is missing)"},
      {R"({"rootfs":{"type":"layers","diff_ids":{}}})", R"(image config: "diff_ids" must be an array)"},
      {R"({"rootfs":{"type":"layers","diff_ids":[1]}})", R"(image config: "diff_ids" must be an array of strings)"},
      {R"({"rootfs":{"type":"layers","diff_ids":["sha256:../../etc/passwd"]}})",
       "image config: invalid checksum digest length"},
      {"{" + kTwoLayers + R"(,"history":[{},{},{}]})", "image config: history has 3 layers, rootfs has 2"},
      {"{" + kNoLayers + R"(,"history":[1]})", "image config: expected an object"},
      {"{" + kNoLayers + R"(,"history":{}})", R"(image config: "history" must be an array)"},
      {"{" + kNoLayers + R"(,"history":[{"empty_layer":1}]})", R"(image config: "empty_layer" must be a boolean)"},
      {"{" + kNoLayers + R"(,"architecture":1})", R"(image config: "architecture" must be a string)"},
      {"{" + kNoLayers + R"(,"created":1})", R"(image config: "created" must be a string)"},
      {"{" + kNoLayers + R"(,"config":[]})", R"(image config: "config" must be an object)"},
      {"{" + kNoLayers + R"(,"config":{"Labels":[]}})", R"(image config: "Labels" must be an object)"},
      {"{" + kNoLayers + R"(,"config":{"Labels":{"a":1}}})", R"(image config: "a" must be a string)"},
      {"{" + kNoLayers + "," + kTwoLayers + "}", R"(image config: duplicate key "rootfs")"},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(error_of(text), error) << text;
}

TEST(ImageConfigTest, Caps) {
  const auto with_layers = [](std::size_t count) {
    std::string text = R"({"rootfs":{"type":"layers","diff_ids":[)";
    for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "\"" : ",\"") + kDiffA + "\"";
    return text + "]}}";
  };
  EXPECT_EQ(parse_image_config(with_layers(kMaxLayers)).diff_ids.size(), kMaxLayers);
  EXPECT_EQ(error_of(with_layers(kMaxLayers + 1)), "image config: more than 127 layers");

  const auto with_history = [](std::size_t count) {
    std::string text = "{" + kNoLayers + R"(,"history":[)";
    for (std::size_t i = 0; i < count; ++i) text += i == 0 ? R"({"empty_layer":true})" : R"(,{"empty_layer":true})";
    return text + "]}";
  };
  EXPECT_EQ(parse_image_config(with_history(10'000)).history.size(), 10'000U);
  EXPECT_EQ(error_of(with_history(10'001)), "image config: more than 10000 history entries");

  std::string padded = "{" + kNoLayers + "}";
  padded.insert(1, kMaxConfigBytes - padded.size(), ' ');
  EXPECT_EQ(error_of(padded), "no error");
  EXPECT_EQ(error_of(padded + " "), "image config: larger than 8388608 bytes");
}

TEST(ImageConfigTest, ReadsAnImageFromBeforeRootfs) {
  const ImageConfig config = parse_v1_image(R"({"id":"5f","parent":"4e","created":"2014-05-01T10:00:00Z",
      "docker_version":"0.10.0","author":"them","architecture":"amd64","os":"linux","Size":12,
      "config":{"Env":["A=b"],"Labels":{"a":"1"}}})");
  EXPECT_EQ(config.platform.architecture, "amd64");
  EXPECT_EQ(config.docker_version, "0.10.0");
  EXPECT_EQ(config.labels, (std::map<std::string, std::string>{{"a", "1"}}));
  EXPECT_EQ(config.runtime_json, R"({"Env":["A=b"],"Labels":{"a":"1"}})");
  EXPECT_TRUE(config.created.has_value());
  EXPECT_TRUE(config.diff_ids.empty());
  EXPECT_THROW(parse_v1_image("[]"), base::Error);
  EXPECT_THROW(parse_v1_image(R"({"config":7})"), base::Error);
}

}  // namespace
}  // namespace lighterd::oci
