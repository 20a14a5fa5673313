// SPDX-License-Identifier: Apache-2.0
// What commands ask of the daemon, and what they make of its answers.
#include "cli/commands.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/temp_dir.hpp"

namespace lighterd::cli {
namespace {

struct Reply {
  long status = 200;
  std::string body;
};

// Refuses as the real one does.
class FakeDaemon final : public DaemonClient {
 public:
  void perform(const Request& request, base::Sink& answer) override {
    requests.push_back(request.method + " " + request.target);
    has_auth.push_back(!request.registry_auth.empty());
    if (request.body != nullptr) body = base::read_all(*request.body, 1000, "body");
    if (is_gone) throw Failure(ExitCode::kUnreachable, "gone");
    const Reply reply = replies.empty() ? Reply{} : replies.front();
    if (!replies.empty()) replies.pop_front();
    if (reply.status != 200) refuse(reply);
    answer.write(base::as_bytes(reply.body));
    if (breaks_off) throw Failure(ExitCode::kFailed, "broken off");
  }
  static void refuse(const Reply& reply) {
    const std::string text = refusal_text(reply.body, reply.status);
    throw Failure(exit_code_of_refusal(reply.status, text), text);
  }
  std::deque<Reply> replies;
  std::vector<std::string> requests;
  std::vector<bool> has_auth;
  std::string body;
  bool is_gone = false;
  bool breaks_off = false;
};

class FakeConsole final : public Console {
 public:
  void write(std::string_view text) override { out += text; }
  void write_error(std::string_view text) noexcept override { errors.emplace_back(text); }
  std::optional<TerminalSize> find_terminal() const override { return terminal; }
  std::string out;
  std::vector<std::string> errors;
  std::optional<TerminalSize> terminal;
};

class CommandsTest : public testing::Test {
 protected:
  // The code that the program would end with.
  ExitCode run_it(const Command& command, OutputFormat format = OutputFormat::kText) {
    Context context{daemon, console, auth_files, format, {}};
    try {
      return run_command(command, context);
    } catch (const std::exception& error) {
      console.write_error(error.what());
      return exit_code_of(error);
    }
  }
  std::string request_of(const Command& command) {
    daemon.requests.clear();
    daemon.replies = {{200, "{}"}};
    run_it(command);
    return daemon.requests.empty() ? "" : daemon.requests.front();
  }
  std::filesystem::path write_file(const std::string& text) {
    const auto path = folder.path() / "file";
    std::ofstream(path) << text;
    return path;
  }

  tests::TempDir folder;
  FakeDaemon daemon;
  FakeConsole console;
  AuthFiles auth_files;
};

template <typename Options>
Options transfer(std::string name, std::vector<std::string> platforms = {}, bool all_tags = false) {
  Options options;
  options.name = std::move(name);
  options.platforms = std::move(platforms);
  options.all_tags = all_tags;
  return options;
}

TEST_F(CommandsTest, PullAsksForATag) {
  EXPECT_EQ(request_of(transfer<PullOptions>("alpine")), "POST /v1.55/images/create?fromImage=alpine&tag=latest");
  EXPECT_EQ(request_of(transfer<PullOptions>("localhost:5000/a:1")),
            "POST /v1.55/images/create?fromImage=localhost%3A5000%2Fa&tag=1");
  const std::string digest = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(request_of(transfer<PullOptions>("alpine:3@" + digest)),
            "POST /v1.55/images/create?fromImage=alpine&tag=sha256%3A" + std::string(64, 'a'));
  EXPECT_EQ(request_of(transfer<PullOptions>("alpine", {}, true)), "POST /v1.55/images/create?fromImage=alpine");
}

TEST_F(CommandsTest, PlatformsAreOurOwnPaths) {
  EXPECT_EQ(request_of(transfer<PullOptions>("alpine:3", {"linux/amd64", "linux/arm64"})),
            "POST /lighter/v1/images/pull?fromImage=alpine&tag=3&platform=linux%2Famd64&platform=linux%2Farm64");
  EXPECT_EQ(request_of(transfer<PullOptions>("alpine", {"linux/arm64"}, true)),
            "POST /v1.55/images/create?fromImage=alpine&platform=linux%2Farm64");
  EXPECT_EQ(request_of(transfer<PushOptions>("a.example/b:1", {"all"})),
            "POST /lighter/v1/images/a.example/b/push?tag=1&platform=all");
}

TEST_F(CommandsTest, PushTakesATagOrAll) {
  EXPECT_EQ(request_of(transfer<PushOptions>("a.example/b")), "POST /v1.55/images/a.example/b/push?tag=latest");
  EXPECT_EQ(request_of(transfer<PushOptions>("a.example/b", {}, true)), "POST /v1.55/images/a.example/b/push");
}

TEST_F(CommandsTest, WhatContradictsItselfIsNotAsked) {
  const std::string digest = "@sha256:" + std::string(64, 'a');
  const std::vector<Command> commands = {transfer<PullOptions>("a:1", {}, true),
                                         transfer<PullOptions>("a", {"linux/amd64", "linux/arm64"}, true),
                                         transfer<PushOptions>("a" + digest),
                                         transfer<PushOptions>("a:1", {}, true),
                                         transfer<PullOptions>("UPPER"),
                                         InspectOptions{},
                                         TagsOptions{"a b"},
                                         RemoveOptions{.names = {""}},
                                         SaveOptions{.names = {"a"}, .platforms = {"///"}},
                                         transfer<PullOptions>("a", {"nonsense"}),
                                         transfer<PushOptions>("a", {"linux/amd64", "nonsense"}),
                                         transfer<PullOptions>("a", {"all"}, true),
                                         InspectOptions{.name = "a", .platform = "nonsense"},
                                         PlanOptions{"a", {"nonsense"}},
                                         InspectOptions{.name = "a", .id = "nonsense"},
                                         InspectOptions{.name = "a", .id = "sha256:00"},
                                         InspectOptions{.name = "a:1", .id = digest.substr(1)},
                                         InspectOptions{.name = "a" + digest, .id = digest.substr(1)},
                                         TagsOptions{"https://a.example"},
                                         LoadOptions{.file = folder.path().string()},
                                         ImagesOptions{.filters = {"dangling"}},
                                         LoadOptions{.file = "/nonexistent/file"},
                                         SaveOptions{.names = {"a"}, .file = "/nonexistent/file"}};
  for (const Command& command : commands) EXPECT_EQ(run_it(command), ExitCode::kUsage) << command.index();
  EXPECT_TRUE(daemon.requests.empty());
}

TEST_F(CommandsTest, AnErrorRecordIsAFailure) {
  daemon.replies = {{200, "{\"status\":\"Pulling from a\",\"id\":\"1\"}\r\n{\"error\":\"unexpected EOF\"}\r\n"}};
  EXPECT_EQ(run_it(transfer<PullOptions>("a:1")), ExitCode::kFailed);
  EXPECT_EQ(console.out, "1: Pulling from a\n");
  EXPECT_EQ(console.errors, std::vector<std::string>{"unexpected EOF"});
}

TEST_F(CommandsTest, WhatTheDaemonSaidCountsHoweverTheConnectionEnded) {
  daemon.breaks_off = true;
  daemon.replies = {{200, "{\"error\":\"unexpected EOF\"}\r\n"}, {200, "{\"status\":\"x\"}\r\n"}};
  EXPECT_EQ(run_it(LoadOptions{write_file("archive").string(), true}), ExitCode::kFailed);
  EXPECT_EQ(run_it(LoadOptions{write_file("archive").string(), true}), ExitCode::kFailed);
  EXPECT_EQ(console.errors, (std::vector<std::string>{"unexpected EOF", "broken off"}));
}

TEST_F(CommandsTest, APullEndsWithTheWholeName) {
  daemon.replies = {{200, "{\"status\":\"Status: done\"}\r\n"}};
  EXPECT_EQ(run_it(transfer<PullOptions>("alpine")), ExitCode::kDone);
  EXPECT_EQ(console.out, "Status: done\ndocker.io/library/alpine:latest\n");
  console.out.clear();
  auto quiet = transfer<PullOptions>("alpine");
  quiet.quiet = true;
  daemon.replies = {{200, "{\"status\":\"Status: done\"}\r\n"}};
  run_it(quiet);
  EXPECT_EQ(console.out, "docker.io/library/alpine:latest\n");
}

TEST_F(CommandsTest, WithJsonRecordsAreLinesAsTheyCame) {
  const std::string first = R"({"status":"x","progressDetail":{"current":1},"id":"a"})";
  daemon.replies = {{200, first + "\r\n{\"error\":\"no\"}\r\n"}};
  EXPECT_EQ(run_it(transfer<PullOptions>("alpine"), OutputFormat::kJson), ExitCode::kFailed);
  EXPECT_EQ(console.out, first + "\n{\"error\":\"no\"}\n");
  EXPECT_EQ(console.errors, std::vector<std::string>{"no"});
}

TEST_F(CommandsTest, CredentialsOfTheRegistryAreSent) {
  auth_files = {{write_file(R"({"auths":{"a.example":{"auth":"dTpw"}}})")}, {}};
  for (const char* name : {"a.example/b", "c.example/d"}) {
    request_of(transfer<PullOptions>(name));
    request_of(InspectOptions{.name = name});
  }
  EXPECT_EQ(daemon.has_auth, (std::vector<bool>{true, true, false, false}));
}

TEST_F(CommandsTest, HelpersAreMentionedWhenTheyAreMissed) {
  auth_files = {{write_file(R"({"credsStore":"desktop"})")}, {}};
  daemon.replies = {{401, R"({"message":"login needed"})"},
                    {404, R"({"message":"repository b not found, or needs a login: denied"})"},
                    {404, R"({"message":"gone"})"}};
  EXPECT_EQ(run_it(TagsOptions{"a.example/b"}), ExitCode::kDenied);
  ASSERT_EQ(console.errors.size(), 2U);
  EXPECT_NE(console.errors.front().find("REGISTRY_AUTH_FILE"), std::string::npos);
  EXPECT_EQ(console.errors.back(), "login needed");
  console.errors.clear();
  EXPECT_EQ(run_it(TagsOptions{"a.example/b"}), ExitCode::kDenied);
  EXPECT_EQ(console.errors.size(), 2U);
  console.errors.clear();
  EXPECT_EQ(run_it(TagsOptions{"a.example/b"}), ExitCode::kNotFound);
  EXPECT_EQ(console.errors, std::vector<std::string>{"gone"});
}

TEST_F(CommandsTest, RemoteQuestionsHaveTheirParameters) {
  EXPECT_EQ(request_of(InspectOptions{.name = "a.example/b:1"}), "GET /lighter/v1/remote/a.example/b:1/inspect");
  EXPECT_EQ(request_of(InspectOptions{"https://a.example/b", "all", std::string(64, 'a'), true, true}),
            "GET /lighter/v1/remote/https%3A%2F%2Fa.example%2Fb/inspect?platform=all&id=" + std::string(64, 'a') +
                "&tags=0&referrers=1");
  EXPECT_EQ(request_of(TagsOptions{"b"}), "GET /lighter/v1/remote/b/tags");
  EXPECT_EQ(request_of(PlanOptions{"b", {"linux/arm64"}}), "GET /lighter/v1/remote/b/plan?platform=linux%2Farm64");
}

TEST_F(CommandsTest, TagsAreLines) {
  daemon.replies = {{200, R"({"Name":"a","Tags":["2","1"]})"}};
  EXPECT_EQ(run_it(TagsOptions{"a"}), ExitCode::kDone);
  EXPECT_EQ(console.out, "2\n1\n");
}

TEST_F(CommandsTest, JsonIsTheDaemonsInItsOrder) {
  daemon.replies = {{200, R"({"Tags":["2"],"Name":"é"})"}};
  EXPECT_EQ(run_it(TagsOptions{"a"}, OutputFormat::kJson), ExitCode::kDone);
  EXPECT_EQ(console.out, "{\n  \"Tags\": [\n    \"2\"\n  ],\n  \"Name\": \"é\"\n}\n");
}

TEST_F(CommandsTest, JsonOnATerminalIsAscii) {
  console.terminal = TerminalSize{};
  daemon.replies = {{200, "{\"Name\":\"\u009b2J\"}"}, {200, "{\"status\":\"\u009b2J\"}\n"}};
  run_it(TagsOptions{"a"}, OutputFormat::kJson);
  run_it(transfer<PullOptions>("a"), OutputFormat::kJson);
  EXPECT_EQ(console.out, "{\n  \"Name\": \"\\u009b2J\"\n}\n{\"status\":\"\\u009b2J\"}\n");
}

TEST_F(CommandsTest, ADaemonThatIsGoneIsNotAskedAgain) {
  daemon.is_gone = true;
  EXPECT_EQ(run_it(RemoveOptions{{"a", "b"}, false}), ExitCode::kUnreachable);
  EXPECT_EQ(daemon.requests.size(), 1U);
}

TEST_F(CommandsTest, APlanWithoutRoomIsAFailureOfItsOwn) {
  const std::string document = R"({"Name":"a","Fetch":10,"Reuse":0,"DiskNeeded":10,"DiskFree":9,"Blobs":[]})";
  for (const OutputFormat format : {OutputFormat::kText, OutputFormat::kJson}) {
    daemon.replies = {{200, document}};
    EXPECT_EQ(run_it(PlanOptions{"a", {}}, format), ExitCode::kNoSpace);
  }
  EXPECT_EQ(console.errors.front(), "not enough disk: 10B needed, 9B free");
  daemon.replies = {{200, R"({"Name":"a","DiskNeeded":10,"DiskFree":10})"}};
  EXPECT_EQ(run_it(PlanOptions{"a", {}}), ExitCode::kDone);
}

TEST_F(CommandsTest, ImagesHasItsFilters) {
  EXPECT_EQ(request_of(ImagesOptions{}), "GET /v1.55/images/json");
  EXPECT_EQ(request_of(ImagesOptions{.name = "a*", .filters = {"label=x", "label=y=z"}, .all = true}),
            "GET /v1.55/images/json?all=1&filters=%7B%22label%22%3A%5B%22x%22%2C%22y%3Dz%22%5D%2C"
            "%22reference%22%3A%5B%22a%2A%22%5D%7D");
}

TEST_F(CommandsTest, EachNameIsTriedAndTheFirstFailureCounts) {
  daemon.replies = {{404, R"({"message":"No such image: a:latest"})"},
                    {200, R"([{"Untagged":"b:latest"},{"Deleted":"sha256:00"}])"},
                    {409, R"({"message":"conflict"})"}};
  EXPECT_EQ(run_it(RemoveOptions{{"a", "b", "c"}, true}), ExitCode::kNotFound);
  EXPECT_EQ(console.out, "Untagged: b:latest\nDeleted: sha256:00\n");
  EXPECT_EQ(console.errors, (std::vector<std::string>{"No such image: a:latest", "conflict"}));
  EXPECT_EQ(daemon.requests.front(), "DELETE /v1.55/images/a?force=1");
}

TEST_F(CommandsTest, RemovingWithJsonIsOneDocument) {
  daemon.replies = {{200, R"([{"Untagged":"a"}])"}, {200, R"([{"Untagged":"b"}])"}};
  EXPECT_EQ(run_it(RemoveOptions{{"a", "b"}, false}, OutputFormat::kJson), ExitCode::kDone);
  EXPECT_EQ(parse_document(console.out).size(), 2U);
}

TEST_F(CommandsTest, SaveWritesTheArchive) {
  daemon.replies = {{200, "tar"}, {200, "tar"}, {500, "no"}};
  EXPECT_EQ(run_it(SaveOptions{{"a", "b"}, {"linux/arm64/v8"}, ""}), ExitCode::kDone);
  EXPECT_EQ(console.out, "tar");
  EXPECT_EQ(
      daemon.requests.front(),
      "GET /v1.55/images/get?names=a&names=b&platform=%7B%22architecture%22%3A%22arm64%22%2C%22os%22%3A%22linux%22%2C"
      "%22variant%22%3A%22v8%22%7D");
  const auto path = folder.path() / "out.tar";
  EXPECT_EQ(run_it(SaveOptions{{"a"}, {}, path.string()}), ExitCode::kDone);
  EXPECT_EQ(std::filesystem::file_size(path), 3U);
  std::filesystem::remove(path);
  EXPECT_EQ(run_it(SaveOptions{{"a"}, {}, path.string()}), ExitCode::kFailed);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(CommandsTest, ATerminalGetsNoArchive) {
  console.terminal = TerminalSize{};
  EXPECT_EQ(run_it(SaveOptions{{"a"}, {}, ""}), ExitCode::kUsage);
  EXPECT_TRUE(daemon.requests.empty());
}

TEST_F(CommandsTest, LoadSendsTheFile) {
  daemon.replies = {{200, "{\"stream\":\"Loaded image: a:1\\n\"}\r\n"}};
  EXPECT_EQ(run_it(LoadOptions{write_file("archive").string(), true}), ExitCode::kDone);
  EXPECT_EQ(daemon.body, "archive");
  EXPECT_EQ(daemon.requests.front(), "POST /v1.55/images/load?quiet=1");
  EXPECT_EQ(console.out, "Loaded image: a:1\n");
}

TEST_F(CommandsTest, RefusalsThatAreNoJsonAreShown) {
  EXPECT_EQ(refusal_text("<html>\n", 502), "status 502: <html>");
  EXPECT_EQ(refusal_text("", 500), "status 500");
  EXPECT_EQ(refusal_text(R"({"message":"x"})", 500), "x");
}

}  // namespace
}  // namespace lighterd::cli
