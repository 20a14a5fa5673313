// SPDX-License-Identifier: Apache-2.0
#include "cli/json_printer.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/exit_code.hpp"

namespace lighterd::cli {
namespace {

class JsonPrinterTest : public testing::TestWithParam<const char*> {};

TEST_P(JsonPrinterTest, WritesWhatTheLibraryDoes) {
  const std::string text = GetParam();
  const auto document = nlohmann::ordered_json::parse(text);
  EXPECT_EQ(prettify(text, Charset::kUtf8), document.dump(2) + "\n");
  EXPECT_EQ(prettify(text, Charset::kAscii), document.dump(2, ' ', true) + "\n");
  EXPECT_EQ(compact(text, Charset::kUtf8), document.dump());
  EXPECT_EQ(compact(text, Charset::kAscii), document.dump(-1, ' ', true));
}

INSTANTIATE_TEST_SUITE_P(, JsonPrinterTest,
                         testing::Values("{}", "[]", "null", " true ", "\"x\"", "-0", "[[],{},[{}],{\"a\":{}}]",
                                         R"({"z":1,"a":[1,-2,3.50,1e300,18446744073709551615,false,null],"b":"x"})",
                                         R"({"\u00e9\n\/":"\ud83d\ude00\u009b\"\\"})", "[1,[2,[3,[4]],5],6]"));

TEST(JsonPrinterLimitTest, WhatIsNoDocumentFails) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[1]x"), std::string("\"\xff\""), std::string(1'000'000, '[')})
    EXPECT_THROW(prettify(text, Charset::kUtf8), Failure) << text.substr(0, 10);
  const std::string deepest = std::string(64, '[') + std::string(64, ']');
  EXPECT_EQ(compact(deepest, Charset::kUtf8), deepest);
}

// Searching the members before each would be 45,000,000,000 comparisons.
TEST(JsonPrinterLimitTest, ManyMembersAreNoWork) {
  std::string text = "{";
  std::string expected = "{\n";
  for (int i = 0; i < 300'000; ++i) {
    const std::string key = "\"label" + std::to_string(i) + "\"";
    text += (i > 0 ? "," : "") + key + ":1";
    expected += std::string(i > 0 ? ",\n" : "") + "  " + key + ": 1";
  }
  EXPECT_TRUE(prettify(text + "}", Charset::kUtf8) == expected + "\n}\n");
}

}  // namespace
}  // namespace lighterd::cli
