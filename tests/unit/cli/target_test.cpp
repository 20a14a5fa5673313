// SPDX-License-Identifier: Apache-2.0
#include "cli/target.hpp"

#include <gtest/gtest.h>

namespace lighterd::cli {
namespace {

TEST(TargetTest, NamesKeepWhatSeparatesTheirParts) {
  EXPECT_EQ(encode_name("localhost:5000/team/app:1@sha256:00"), "localhost:5000/team/app:1@sha256:00");
  EXPECT_EQ(encode_name("a b?c#d%"), "a%20b%3Fc%23d%25");
}

TEST(TargetTest, ANameThatIsAUrlIsOneWord) {
  EXPECT_EQ(encode_name("https://a:1/b:2"), "https%3A%2F%2Fa%3A1%2Fb%3A2");
}

TEST(TargetTest, ParametersAreEncodedInTheirOrder) {
  Target target("/a");
  EXPECT_EQ(target.text(), "/a");
  target.add("b", "1&2").add("platform", "linux/arm64");
  EXPECT_EQ(target.text(), "/a?b=1%262&platform=linux%2Farm64");
}

}  // namespace
}  // namespace lighterd::cli
