// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.hpp"

#include <gtest/gtest.h>

namespace lighterd::cli {
namespace {

CommandLine parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "lighter");
  Environment environment;
  environment.default_host = environment.host = "unix:///default.sock";
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data(), environment);
}

template <typename Options>
Options options_of(const CommandLine& line) {
  if (!line.command) {
    ADD_FAILURE() << line.text;
    return {};
  }
  return std::get<Options>(*line.command);
}

TEST(CommandLineTest, GlobalFlagsStandOnEitherSide) {
  for (const auto& line :
       {parse({"-H", "tcp://a:1", "--json", "images"}), parse({"images", "--json", "-H", "tcp://a:1"})}) {
    EXPECT_EQ(line.host.authority, "a:1");
    EXPECT_EQ(line.format, OutputFormat::kJson);
  }
  EXPECT_EQ(parse({"images"}).host.socket, "/default.sock");
  EXPECT_EQ(parse({"images", "-H", "unix://"}).host.socket, "/default.sock");
  EXPECT_EQ(parse({"images"}).format, OutputFormat::kText);
}

TEST(CommandLineTest, Inspect) {
  const auto options = options_of<InspectOptions>(
      parse({"inspect", "--platform", "linux/arm64", "a:1", "--id", "sha256:00", "--no-tags", "--referrers"}));
  EXPECT_EQ(options.name, "a:1");
  EXPECT_EQ(options.platform, "linux/arm64");
  EXPECT_EQ(options.id, "sha256:00");
  EXPECT_TRUE(options.without_tags);
  EXPECT_TRUE(options.with_referrers);
}

TEST(CommandLineTest, PlatformsMayBeRepeatedInFrontOfTheName) {
  const std::vector<std::string> both = {"linux/amd64", "linux/arm64"};
  const std::vector<const char*> flags = {"--platform", "linux/amd64", "--platform", "linux/arm64", "a"};
  const auto with = [&flags](const char* command) {
    std::vector<const char*> arguments = flags;
    arguments.insert(arguments.begin(), command);
    return parse(arguments);
  };
  EXPECT_EQ(options_of<PullOptions>(with("pull")).platforms, both);
  EXPECT_EQ(options_of<PushOptions>(with("push")).platforms, both);
  EXPECT_EQ(options_of<PlanOptions>(with("plan")).platforms, both);
  EXPECT_EQ(options_of<SaveOptions>(with("save")).platforms, both);
  EXPECT_EQ(options_of<PullOptions>(with("pull")).name, "a");
}

TEST(CommandLineTest, CommandsHaveDockersOtherNames) {
  EXPECT_TRUE(options_of<ImagesOptions>(parse({"ls", "-aq"})).quiet);
  EXPECT_EQ(options_of<RemoveOptions>(parse({"rmi", "-f", "a", "b"})).names, (std::vector<std::string>{"a", "b"}));
}

TEST(CommandLineTest, ImagesHasDockersFlags) {
  const auto options = options_of<ImagesOptions>(
      parse({"images", "--digests", "--no-trunc", "--filter", "dangling=true", "-f", "label=x", "team/*"}));
  EXPECT_EQ(options.name, "team/*");
  EXPECT_EQ(options.filters, (std::vector<std::string>{"dangling=true", "label=x"}));
  EXPECT_TRUE(options.with_digests && options.whole_ids);
}

TEST(CommandLineTest, ArchivesAreFiles) {
  EXPECT_EQ(options_of<SaveOptions>(parse({"save", "-o", "a.tar", "a", "b"})).file, "a.tar");
  EXPECT_EQ(options_of<LoadOptions>(parse({"load", "-i", "a.tar"})).file, "a.tar");
  EXPECT_EQ(options_of<LoadOptions>(parse({"load"})).file, "-");
}

TEST(CommandLineTest, HelpAndVersionAreNoFailures) {
  for (const char* flag : {"--help", "--version", "-h", "-v"}) {
    const CommandLine line = parse({flag});
    EXPECT_FALSE(line.command);
    EXPECT_EQ(line.exit_code, ExitCode::kDone);
  }
  EXPECT_NE(parse({"--help"}).text.find("130  interrupted"), std::string::npos);
  for (const char* command : {"inspect", "tags", "plan", "pull", "push", "images", "rm", "save", "load"})
    EXPECT_NE(parse({command, "--help"}).text.find("Examples:\n  lighter"), std::string::npos) << command;
}

class WrongUsageTest : public testing::TestWithParam<std::vector<const char*>> {};

TEST_P(WrongUsageTest, HasATextAndItsCode) {
  const CommandLine line = parse(GetParam());
  EXPECT_FALSE(line.command);
  EXPECT_EQ(line.exit_code, ExitCode::kUsage);
  EXPECT_EQ(line.text.find("lighter: "), 0U) << line.text;
}

INSTANTIATE_TEST_SUITE_P(, WrongUsageTest,
                         testing::Values(std::vector<const char*>{}, std::vector<const char*>{"bogus"},
                                         std::vector<const char*>{"pull"}, std::vector<const char*>{"pull", "a", "b"},
                                         std::vector<const char*>{"pull", "--bogus", "a"},
                                         std::vector<const char*>{"images", "tags", "a"},
                                         std::vector<const char*>{"save"}, std::vector<const char*>{"rm"},
                                         std::vector<const char*>{"-H", "nowhere", "images"}));

}  // namespace
}  // namespace lighterd::cli
