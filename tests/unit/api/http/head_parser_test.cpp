// SPDX-License-Identifier: Apache-2.0
#include "api/http/head_parser.hpp"

#include <gtest/gtest.h>

namespace lighterd::api {
namespace {

using Verdict = HeadParser::Verdict;

struct Result {
  Verdict verdict;
  int status;
  std::size_t head_bytes;
  bool operator==(const Result&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Result& result) {
  return out << static_cast<int>(result.verdict) << "/" << result.status << "/" << result.head_bytes;
}

// Feeds growing prefixes that end at each of the given lengths, until there is a verdict.
Result parse_in_steps(std::string_view text, const std::vector<std::size_t>& lengths) {
  HeadParser parser(HeadLimits{});
  for (const std::size_t length : lengths) {
    const Verdict verdict = parser.feed(text.substr(0, length));
    if (verdict == Verdict::kDone) return {verdict, 0, parser.head_bytes()};
    if (verdict == Verdict::kFault) return {verdict, parser.fault().status, 0};
  }
  return {Verdict::kMore, 0, 0};
}

Result parse_whole(std::string_view text) {
  return parse_in_steps(text, {text.size()});
}

void expect_same_under_every_split(std::string_view text) {
  const Result whole = parse_whole(text);
  std::vector<std::size_t> bytewise;
  for (std::size_t i = 1; i <= text.size(); ++i) bytewise.push_back(i);
  EXPECT_EQ(parse_in_steps(text, bytewise), whole);
  const std::size_t step = text.size() > 2000 ? 997 : 1;
  for (std::size_t i = 1; i < text.size(); i += step) EXPECT_EQ(parse_in_steps(text, {i, text.size()}), whole) << i;
}

RequestHead parse_good(std::string_view text) {
  HeadParser parser(HeadLimits{});
  EXPECT_EQ(parser.feed(text), Verdict::kDone) << parser.fault().message;
  return parser.take_head();
}

std::string get(std::string_view fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}

struct Case {
  std::string name;
  std::string text;
  int status;  // 0: accepted
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.name;
}

class HeadTest : public testing::TestWithParam<Case> {};

TEST_P(HeadTest, HasThatVerdictUnderEverySplit) {
  const Result result = parse_whole(GetParam().text);
  EXPECT_EQ(result.status, GetParam().status);
  EXPECT_EQ(result.verdict, GetParam().status == 0 ? Verdict::kDone : Verdict::kFault);
  expect_same_under_every_split(GetParam().text);
}

using namespace std::string_literals;

std::string many_fields(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "X-Field: 1\r\n";
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    RequestLine, HeadTest,
    testing::Values(Case{"Plain", get(""), 0}, Case{"EmptyLineFirst", "\r\n" + get(""), 0},
                    Case{"TwoEmptyLinesFirst", "\r\n\r\n" + get(""), 400}, Case{"Http10", "GET / HTTP/1.0\r\n\r\n", 0},
                    Case{"Http09", "GET /\r\n\r\n", 400}, Case{"NoVersion", "GET / \r\nHost: a\r\n\r\n", 400},
                    Case{"Http12", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
                    Case{"Http20", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
                    Case{"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
                    Case{"LowerCaseVersion", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"LongVersion", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
                    Case{"TwoSpaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"SpaceInTarget", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"SpaceFirst", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"TabSeparated", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"BareLineFeed", "GET / HTTP/1.1\nHost: a\n\n", 400},
                    Case{"CarriageReturnInTarget", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"NulInTarget", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s, 400},
                    Case{"NulInMethod", "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n"s, 400},
                    Case{"EightBitTarget", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"Fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"RelativeTarget", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"AsteriskForm", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"AuthorityForm", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"AbsoluteForm", "GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n", 0},
                    Case{"AbsoluteWithoutHost", "GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"AbsoluteWithUser", "GET http://u@a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"OtherScheme", "GET file://a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"MethodNotAToken", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"EndlessMethod", std::string(40, 'A') + " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    Case{"TlsHello", "\x16\x03\x01\x02\x00\x01"s, 400}, Case{"BinaryGarbage", "\x80\x2e\x01\x03"s, 400},
                    Case{"LongestLine", "GET /" + std::string(16 * 1024 - 16, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 0},
                    Case{"LineTooLong", "GET /" + std::string(16 * 1024 - 15, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n",
                         414},
                    Case{"EndlessLine", "GET /" + std::string(20 * 1024, 'a'), 414}),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Fields, HeadTest,
    testing::Values(Case{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400}, Case{"TwoHosts", get("Host: a\r\n"), 400},
                    Case{"TwoHostsHttp10", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
                    Case{"HostInAnyCase", "GET / HTTP/1.1\r\nhOST: a\r\n\r\n", 0},
                    Case{"EmptyHost", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0}, Case{"NoColon", get("Field\r\n"), 400},
                    Case{"SpaceBeforeColon", get("Field : 1\r\n"), 400}, Case{"EmptyName", get(": 1\r\n"), 400},
                    Case{"SpaceInName", get("A b: 1\r\n"), 400}, Case{"FoldedLine", get("Field: 1\r\n 2\r\n"), 400},
                    Case{"FoldedByTab", get("Field: 1\r\n\t2\r\n"), 400},
                    Case{"FoldedFirstLine", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
                    Case{"BareLineFeedInFields", get("Field: 1\nOther: 2\r\n"), 400},
                    Case{"BareCarriageReturn", get("Field: 1\rOther: 2\r\n"), 400},
                    Case{"NulInValue", get("Field: 1\0\r\n"s), 400}, Case{"NulInName", get("Fi\0eld: 1\r\n"s), 400},
                    Case{"DeleteInValue", get("Field: \x7f\r\n"), 400}, Case{"BellInValue", get("Field: \a\r\n"), 400},
                    Case{"TabInValue", get("Field: a\tb\r\n"), 0}, Case{"EightBitValue", get("Field: \xc3\xa4\r\n"), 0},
                    Case{"EightBitName", get("F\xc3\xa4: 1\r\n"), 400}, Case{"EmptyValue", get("Field:\r\n"), 0},
                    Case{"MostFields", get(many_fields(127)), 0}, Case{"TooManyFields", get(many_fields(128)), 431},
                    Case{"LongestField", get("F: " + std::string(16 * 1024 - 5, 'a') + "\r\n"), 0},
                    Case{"FieldTooLong", get("F: " + std::string(16 * 1024 - 4, 'a') + "\r\n"), 431},
                    Case{"EndlessField", get("F: " + std::string(20 * 1024, 'a')), 431},
                    Case{"HeadTooLarge",
                         get("A: " + std::string(16'000, 'a') + "\r\nB: " + std::string(16'000, 'a') +
                             "\r\nC: " + std::string(16'000, 'a') + "\r\nD: " + std::string(16'000, 'a') +
                             "\r\nE: " + std::string(16'000, 'a') + "\r\n"),
                         431}),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Framing, HeadTest,
    testing::Values(Case{"Length", get("Content-Length: 5\r\n"), 0},
                    Case{"LengthZero", get("Content-Length: 0\r\n"), 0},
                    Case{"LargestLength", get("Content-Length: 9223372036854775807\r\n"), 0},
                    Case{"LengthTooLarge", get("Content-Length: 9223372036854775808\r\n"), 400},
                    Case{"LengthOverflow", get("Content-Length: 18446744073709551617\r\n"), 400},
                    Case{"LengthTwice", get("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
                    Case{"LengthsDiffer", get("Content-Length: 5\r\ncontent-length: 6\r\n"), 400},
                    Case{"LengthList", get("Content-Length: 5, 5\r\n"), 400},
                    Case{"LengthEmpty", get("Content-Length:\r\n"), 400},
                    Case{"LengthNegative", get("Content-Length: -1\r\n"), 400},
                    Case{"LengthWithPlus", get("Content-Length: +1\r\n"), 400},
                    Case{"LengthHex", get("Content-Length: 0x5\r\n"), 400},
                    Case{"LengthWithBlank", get("Content-Length: 1 2\r\n"), 400},
                    Case{"Chunked", get("Transfer-Encoding: chunked\r\n"), 0},
                    Case{"ChunkedInAnyCase", get("transfer-encoding: CHUNKED\r\n"), 0},
                    Case{"ChunkedAndLength", get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
                    Case{"LengthAndChunked", get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
                    Case{"ChunkedAndLengthZero", get("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), 400},
                    Case{"ChunkedTwice", get("Transfer-Encoding: chunked, chunked\r\n"), 400},
                    Case{"ChunkedTwoFields", get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
                    Case{"ChunkedNotLast", get("Transfer-Encoding: chunked, gzip\r\n"), 400},
                    Case{"GzipThenChunked", get("Transfer-Encoding: gzip, chunked\r\n"), 501},
                    Case{"Gzip", get("Transfer-Encoding: gzip\r\n"), 501},
                    Case{"Identity", get("Transfer-Encoding: identity\r\n"), 501},
                    Case{"GzipAndLength", get("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n"), 400},
                    Case{"Obfuscated", get("Transfer-Encoding: xchunked\r\n"), 501},
                    Case{"VerticalTab", get("Transfer-Encoding: \vchunked\r\n"), 400},
                    Case{"CodingEmpty", get("Transfer-Encoding:\r\n"), 400},
                    Case{"CodingEmptyItem", get("Transfer-Encoding: ,chunked\r\n"), 400},
                    Case{"ChunkedHttp10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
                    Case{"Continue", get("Content-Length: 5\r\nExpect: 100-Continue\r\n"), 0},
                    Case{"OtherExpectation", get("Expect: tea\r\n"), 417}),
    testing::PrintToStringParamName());

TEST(HeadParserTest, GivesWhatWasSent) {
  const RequestHead head = parse_good(
      "POST /v1.45/images/create?fromImage=a%20b&tag=1 HTTP/1.1\r\nHost: docker\r\n"
      "X-Registry-Auth: \t e30= \r\nx-two: a\r\nX-TWO: b\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.path, "/v1.45/images/create");
  EXPECT_EQ(head.query, "fromImage=a%20b&tag=1");
  EXPECT_EQ(*head.headers.find("x-registry-auth"), "e30=");
  EXPECT_EQ(*head.headers.find("X-Two"), "a");
  EXPECT_EQ(head.headers.all().size(), 6u);
  EXPECT_EQ(head.body.kind, BodyKind::kLength);
  EXPECT_EQ(head.body.length_bytes, 12u);
  EXPECT_TRUE(head.body.expects_continue);
  EXPECT_TRUE(head.keep_alive);
}

TEST(HeadParserTest, TakesPathAndHostOffAnAbsoluteTarget) {
  const RequestHead head = parse_good("GET http://h:1?q HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(head.authority, "h:1");
  EXPECT_EQ(head.path, "/");
  EXPECT_EQ(head.query, "q");
}

TEST(HeadParserTest, KnowsWhetherToKeepTheConnection) {
  EXPECT_TRUE(parse_good(get("Connection: keep-alive\r\n")).keep_alive);
  EXPECT_FALSE(parse_good(get("Connection: Close\r\n")).keep_alive);
  EXPECT_FALSE(parse_good(get("Connection: upgrade, close\r\n")).keep_alive);
  EXPECT_FALSE(parse_good("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

TEST(HeadParserTest, LeavesTheNextRequest) {
  const std::string first = get("");
  HeadParser parser(HeadLimits{});
  EXPECT_EQ(parser.feed(first + "GET /b HTTP/1.1\r\n"), Verdict::kDone);
  EXPECT_EQ(parser.head_bytes(), first.size());
}

}  // namespace
}  // namespace lighterd::api
