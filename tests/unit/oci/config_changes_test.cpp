// SPDX-License-Identifier: Apache-2.0
#include "oci/config_changes.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace lighterd::oci {
namespace {

using nlohmann::json;

struct ChangesCase {
  const char* name;
  std::vector<std::string> changes;
  const char* config;
};

class ConfigChangesTest : public ::testing::TestWithParam<ChangesCase> {};

TEST_P(ConfigChangesTest, MakesTheConfig) {
  EXPECT_EQ(make_config(GetParam().changes), json::parse(GetParam().config));
}

const ChangesCase kCases[] = {
    {"Nothing", {}, "{}"},
    {"CmdExec", {R"(CMD ["/bin/true", "a b"])"}, R"({"Cmd":["/bin/true","a b"]})"},
    {"CmdExecIgnoresWhatFollows", {R"(CMD ["a]"] rest)"}, R"({"Cmd":["a]"]})"},
    {"CmdShell", {"cmd echo \"$HOME\" 'x'"}, R"({"Cmd":["/bin/sh","-c","echo \"$HOME\" 'x'"]})"},
    {"CmdBadListIsShell", {"CMD [ -f /x ]"}, R"({"Cmd":["/bin/sh","-c","[ -f /x ]"]})"},
    {"CmdEmptyList", {"CMD [\"a\"]", "CMD []"}, "{}"},
    {"LaterCmdCounts", {"CMD a", "CMD [\"b\"]"}, R"({"Cmd":["b"]})"},
    {"Entrypoint", {"ENTRYPOINT [\"/init\"]"}, R"({"Entrypoint":["/init"]})"},
    {"EntrypointShell", {"ENTRYPOINT exec top -b"}, R"({"Entrypoint":["/bin/sh","-c","exec top -b"]})"},
    {"EntrypointKeepsCmdOfTheChanges", {"CMD [\"a\"]", "ENTRYPOINT [\"b\"]"}, R"({"Cmd":["a"],"Entrypoint":["b"]})"},
    {"EnvOld", {"ENV PATH  /usr/bin:/bin with blanks"}, R"({"Env":["PATH=/usr/bin:/bin with blanks"]})"},
    {"EnvNew", {R"(ENV A=1 B="two words" C='$A' D=a\ b)"}, R"({"Env":["A=1","B=two words","C=$A","D=a b"]})"},
    {"EnvReplaces", {"ENV A=1 B=2", "ENV A=3"}, R"({"Env":["A=3","B=2"]})"},
    {"EnvSeesEarlierInstructionsOnly", {"ENV A=1", "ENV A=2 B=$A"}, R"({"Env":["A=2","B=1"]})"},
    {"EnvExpands",
     {"ENV A=x", R"(ENV B=${A}y C="$A-${Z:-none}" D=${A:+set} E=${Z:+set} F=\$A G=$Z.)"},
     R"({"Env":["A=x","B=xy","C=x-none","D=set","E=","F=$A","G=."]})"},
    {"EnvEmpty", {"ENV A= B=''"}, R"({"Env":["A=","B="]})"},
    {"EnvWithEquals", {"ENV A=b=c"}, R"({"Env":["A=b=c"]})"},
    {"Expose", {"EXPOSE 80 443/tcp 53/UDP"}, R"({"ExposedPorts":{"80/tcp":{},"443/tcp":{},"53/udp":{}}})"},
    {"ExposeRange", {"EXPOSE 8000-8002"}, R"({"ExposedPorts":{"8000/tcp":{},"8001/tcp":{},"8002/tcp":{}}})"},
    {"ExposeExpandsToSeveral",
     {"ENV P=\"80 81\"", "EXPOSE $P"},
     R"({"Env":["P=80 81"],"ExposedPorts":{"80/tcp":{},"81/tcp":{}}})"},
    {"HealthcheckShell",
     {"HEALTHCHECK --interval=5m --timeout=3s --start-period=1m30s --retries=2 CMD curl -f http://localhost/ || exit "
      "1"},
     R"({"Healthcheck":{"Test":["CMD-SHELL","curl -f http://localhost/ || exit 1"],"Interval":300000000000,
         "Timeout":3000000000,"StartPeriod":90000000000,"Retries":2}})"},
    {"HealthcheckExec",
     {R"(HEALTHCHECK --start-interval=500ms cmd ["/check", "-v"])"},
     R"({"Healthcheck":{"Test":["CMD","/check","-v"],"StartInterval":500000000}})"},
    {"HealthcheckNone", {"HEALTHCHECK CMD true", "HEALTHCHECK NONE"}, R"({"Healthcheck":{"Test":["NONE"]}})"},
    {"LabelNew", {R"(LABEL a=1 "b c"="d e" f='g "h"')"}, R"({"Labels":{"a":"1","b c":"d e","f":"g \"h\""}})"},
    {"LabelOld", {"LABEL description this is text"}, R"({"Labels":{"description":"this is text"}})"},
    {"LabelExpands", {"ENV V=1.2", "LABEL version=$V"}, R"({"Env":["V=1.2"],"Labels":{"version":"1.2"}})"},
    {"LabelOverSeveralLines", {"LABEL a=1 \\\n  # a comment\n\n  b=2"}, R"({"Labels":{"a":"1","b":"2"}})"},
    {"Onbuild", {"ONBUILD RUN  make -C /src", "onbuild ADD . /x"}, R"({"OnBuild":["RUN  make -C /src","ADD . /x"]})"},
    {"Stopsignal", {"STOPSIGNAL SIGUSR1"}, R"({"StopSignal":"SIGUSR1"})"},
    {"StopsignalNumber", {"STOPSIGNAL 9"}, R"({"StopSignal":"9"})"},
    {"StopsignalRealTime", {"STOPSIGNAL rtmin+3"}, R"({"StopSignal":"rtmin+3"})"},
    {"User", {"USER 1000:1000"}, R"({"User":"1000:1000"})"},
    {"UserExpands", {"ENV U=me", "USER ${U}"}, R"({"Env":["U=me"],"User":"me"})"},
    {"VolumeList", {R"(VOLUME ["/a", "/b c"])"}, R"({"Volumes":{"/a":{},"/b c":{}}})"},
    {"VolumeWords", {"VOLUME /a /b"}, R"({"Volumes":{"/a":{},"/b":{}}})"},
    {"Workdir", {"WORKDIR /srv"}, R"({"WorkingDir":"/srv"})"},
    {"WorkdirRelative", {"WORKDIR /srv/a", "WORKDIR ../b/./c"}, R"({"WorkingDir":"/srv/b/c"})"},
    {"WorkdirRelativeToNothing", {"WORKDIR app"}, R"({"WorkingDir":"/app"})"},
    {"SeveralLinesInOne", {"USER a\nWORKDIR /b\r\n"}, R"({"User":"a","WorkingDir":"/b"})"},
    {"Comments", {"# a comment", "  # another", "USER a"}, R"({"User":"a"})"},
    {"Continuation", {"CMD echo a \\", "b"}, R"({"Cmd":["/bin/sh","-c","echo a b"]})"},
    {"EscapedBackslashIsNoContinuation", {"USER a\\\\", "WORKDIR /b"}, R"({"User":"a\\","WorkingDir":"/b"})"},
    {"EscapeDirective", {"# escape=`", "CMD a `\nb", "USER c\\d"}, R"({"Cmd":["/bin/sh","-c","a b"],"User":"c\\d"})"},
};

INSTANTIATE_TEST_SUITE_P(All, ConfigChangesTest, ::testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

struct RefusedCase {
  const char* name;
  std::vector<std::string> changes;
  const char* message;
};

class ConfigChangesErrorTest : public ::testing::TestWithParam<RefusedCase> {};

TEST_P(ConfigChangesErrorTest, IsRefused) {
  try {
    make_config(GetParam().changes);
    FAIL() << "accepted";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
    EXPECT_EQ(error.text(), GetParam().message);
  }
}

const RefusedCase kRefused[] = {
    {"Run", {"RUN make"}, "run is not a valid change command"},
    {"From", {"USER a", "FROM scratch"}, "from is not a valid change command"},
    {"Unknown", {"NONSENSE"}, "nonsense is not a valid change command"},
    {"Shell", {"SHELL [\"a\"]"}, "shell is not a valid change command"},
    {"Empty", {""}, "file with no instructions"},
    {"ListOfNumbers", {"CMD [1]"}, "when using JSON array syntax, arrays must be comprised of strings only."},
    {"NestedList", {"CMD [[\"a\"]]"}, "when using JSON array syntax, arrays must be comprised of strings only."},
    {"EnvAlone", {"ENV"}, "ENV requires at least one argument"},
    {"EnvNameOnly", {"ENV A"}, "ENV must have two arguments"},
    {"EnvMixed", {"ENV A=1 B"}, "Syntax error - can't find = in \"B\". Must be of the form: name=value"},
    {"EnvBlank", {"ENV =1"}, "ENV names can not be blank"},
    {"LabelBlank", {"LABEL =1"}, "LABEL names can not be blank"},
    {"ExposeNothing", {"EXPOSE"}, "EXPOSE requires at least one argument"},
    {"ExposeWord", {"EXPOSE http"}, "Invalid containerPort: http"},
    {"ExposeTooLarge", {"EXPOSE 65536"}, "Invalid containerPort: 65536"},
    {"ExposeProtocol", {"EXPOSE 80/icmp"}, "Invalid proto: icmp"},
    {"ExposeBackwards", {"EXPOSE 90-80"}, "Invalid containerPort: 90-80"},
    {"HealthcheckAlone", {"HEALTHCHECK"}, "HEALTHCHECK requires at least one argument"},
    {"HealthcheckType", {"HEALTHCHECK RUN x"}, "Unknown type \"RUN\" in HEALTHCHECK (try CMD)"},
    {"HealthcheckNothing", {"HEALTHCHECK CMD"}, "Missing command after HEALTHCHECK CMD"},
    {"HealthcheckNoneWithMore", {"HEALTHCHECK NONE x"}, "HEALTHCHECK NONE takes no arguments"},
    {"HealthcheckFlag", {"HEALTHCHECK --often CMD x"}, "Unknown flag: often"},
    {"HealthcheckTwice", {"HEALTHCHECK --retries=1 --retries=2 CMD x"}, "Duplicate flag specified: retries"},
    {"HealthcheckNoValue", {"HEALTHCHECK --timeout CMD x"}, "Missing a value on flag: timeout"},
    {"HealthcheckShort", {"HEALTHCHECK --interval=1us CMD x"}, "Interval \"interval\" cannot be less than 1ms"},
    {"HealthcheckDuration", {"HEALTHCHECK --interval=soon CMD x"}, "time: invalid duration \"soon\""},
    {"HealthcheckRetries", {"HEALTHCHECK --retries=0 CMD x"}, "--retries must be at least 1 (not 0)"},
    {"OnbuildAlone", {"ONBUILD"}, "ONBUILD requires at least one argument"},
    {"OnbuildOnbuild", {"ONBUILD ONBUILD RUN x"}, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"},
    {"OnbuildFrom", {"ONBUILD from x"}, "FROM isn't allowed as an ONBUILD trigger"},
    {"Signal", {"STOPSIGNAL SIGNOTHING"}, "Invalid signal: SIGNOTHING"},
    {"SignalZero", {"STOPSIGNAL 0"}, "Invalid signal: 0"},
    {"UserAlone", {"USER"}, "USER requires exactly one argument"},
    {"VolumeAlone", {"VOLUME"}, "VOLUME requires at least one argument"},
    {"VolumeBlank", {"VOLUME [\" \"]"}, "VOLUME specified can not be an empty string"},
    {"WorkdirAlone", {"WORKDIR"}, "WORKDIR requires exactly one argument"},
    {"FlagOnUser", {"USER --x a"}, "Unknown flag: x"},
    {"OpenQuote", {"USER 'a"}, "unexpected end of statement while looking for matching single-quote"},
    {"OpenDoubleQuote", {"USER \"a"}, "unexpected end of statement while looking for matching double-quote"},
    {"OpenBrace", {"USER ${A"}, "syntax error: missing '}'"},
    {"EmptyBraces", {"USER ${}"}, "syntax error: bad substitution"},
    {"Modifier", {"USER ${A:!b}"}, "unsupported modifier (!) in substitution"},
    {"Required", {"USER ${A:?must be set}"}, "A: must be set"},
    {"BadEscape", {"# escape=x", "USER a"}, "invalid ESCAPE 'x'. Must be ` or \\"},
};

INSTANTIATE_TEST_SUITE_P(All, ConfigChangesErrorTest, ::testing::ValuesIn(kRefused),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(ConfigChangesLimitTest, VariablesThatDoubleAreBounded) {
  std::vector<std::string> changes = {"ENV A=0123456789"};
  for (int i = 0; i < 64; ++i) changes.emplace_back("ENV A=$A$A");
  EXPECT_THROW(make_config(changes), base::Error);
}

TEST(ConfigChangesLimitTest, NestingIsBounded) {
  std::string nested = "a";
  for (int i = 0; i < 20'000; ++i) nested = "${x:-" + nested + "}";
  EXPECT_THROW(make_config({"USER " + nested}), base::Error);
}

TEST(ConfigChangesLimitTest, PortsAreBounded) {
  EXPECT_EQ(make_config({"EXPOSE 1-65535"})["ExposedPorts"].size(), 65535U);
  EXPECT_THROW(make_config(std::vector<std::string>(100, "EXPOSE 1-65535")), base::Error);
}

}  // namespace
}  // namespace lighterd::oci
