// SPDX-License-Identifier: Apache-2.0
#include "distribution/registry_error.hpp"

#include <gtest/gtest.h>

namespace lighterd::distribution {
namespace {

using base::ErrorCode;

struct BodyCase {
  const char* name;
  int status;
  std::string body;
  ErrorCode code;
  const char* text;
  const char* registry_code;
  bool own_message;
};

HttpResponse response(int status, std::string body, HeaderList headers = {}) {
  HttpResponse result;
  result.status = status;
  result.body = std::move(body);
  result.headers = std::move(headers);
  return result;
}

class RegistryErrorBody : public testing::TestWithParam<BodyCase> {};

TEST_P(RegistryErrorBody, GivesDockersText) {
  const RegistryError error =
      make_registry_error(response(GetParam().status, GetParam().body), "Get \"https://h/v2/x\"");
  EXPECT_EQ(error.text(), GetParam().text);
  EXPECT_EQ(error.code(), GetParam().code);
  EXPECT_EQ(error.registry_code(), GetParam().registry_code);
  EXPECT_EQ(error.has_own_message(), GetParam().own_message);
  EXPECT_EQ(error.status(), GetParam().status);
}

INSTANTIATE_TEST_SUITE_P(
    Table, RegistryErrorBody,
    testing::Values(
        BodyCase{"detail", 404,
                 R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]})",
                 ErrorCode::kNotFound, "manifest unknown: manifest unknown", "MANIFEST_UNKNOWN", true},
        BodyCase{"standard", 404,
                 R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":null}]})",
                 ErrorCode::kNotFound, "manifest unknown", "MANIFEST_UNKNOWN", false},
        BodyCase{"denied_standard", 403,
                 R"({"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]})",
                 ErrorCode::kPermissionDenied, "denied", "DENIED", false},
        BodyCase{"denied_own", 403, R"({"errors":[{"code":"DENIED","message":"pay first"}]})",
                 ErrorCode::kPermissionDenied, "denied: pay first", "DENIED", true},
        BodyCase{"code_only", 404, R"({"errors":[{"code":"NAME_UNKNOWN"}]})", ErrorCode::kNotFound, "name unknown",
                 "NAME_UNKNOWN", false},
        BodyCase{"first_wins", 429,
                 R"({"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"},{"code":"DENIED"}]})",
                 ErrorCode::kResourceExhausted, "toomanyrequests: slow down", "TOOMANYREQUESTS", true},
        BodyCase{"unknown_code", 418, R"({"errors":[{"code":"TEAPOT","message":"short"}]})",
                 ErrorCode::kInvalidArgument, "teapot: short", "TEAPOT", true},
        BodyCase{"unknown_4xx", 400, R"({"errors":[{"code":"UNKNOWN","message":"m"}]})", ErrorCode::kInvalidArgument,
                 "unknown: m", "UNKNOWN", true},
        BodyCase{"details", 401, R"({"details":"incorrect username or password"})", ErrorCode::kUnauthenticated,
                 "unauthorized: incorrect username or password", "UNAUTHORIZED", true},
        BodyCase{"message", 403, R"({"message":"no"})", ErrorCode::kPermissionDenied, "denied: no", "DENIED", true},
        BodyCase{"plain", 401, "go away\n", ErrorCode::kUnauthenticated, "unauthorized: go away", "UNAUTHORIZED", true},
        BodyCase{"empty_401", 401, "", ErrorCode::kUnauthenticated, "unauthorized: authentication required", "", false},
        BodyCase{"empty_404", 404, "", ErrorCode::kNotFound, "Get \"https://h/v2/x\": 404 Not Found", "", false},
        BodyCase{"html", 404, "<!DOCTYPE html><html><head><title>Gone\x1b[1m</title></head></html>",
                 ErrorCode::kNotFound, "Get \"https://h/v2/x\": 404 Not Found: Gone?[1m", "", true},
        BodyCase{"empty_list", 404, R"({"errors":[]})", ErrorCode::kNotFound, "Get \"https://h/v2/x\": 404 Not Found",
                 "", false},
        BodyCase{"wrong_types", 404, R"({"errors":[7]})", ErrorCode::kNotFound, "Get \"https://h/v2/x\": 404 Not Found",
                 "", false},
        BodyCase{"server_error", 503, "whatever", ErrorCode::kInternal,
                 "received unexpected HTTP status: 503 Service Unavailable", "", true},
        BodyCase{"unavailable", 503, R"({"errors":[{"code":"UNAVAILABLE","message":"maintenance"}]})",
                 ErrorCode::kUnavailable, "unavailable: maintenance", "UNAVAILABLE", true},
        BodyCase{"not_success", 206, "", ErrorCode::kInternal, "received unexpected HTTP status: 206", "", false}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(RegistryError, PutsTheChallengesErrorInFront) {
  const RegistryError denied =
      make_registry_error(response(401, R"({"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]})",
                                   {{"WWW-Authenticate", R"(Bearer realm="r",error="insufficient_scope")"}}),
                          "");
  EXPECT_TRUE(denied.insufficient_scope());
  EXPECT_EQ(denied.text(), "denied: requested access to the resource is denied");
  EXPECT_EQ(denied.status(), 401);
  const RegistryError invalid = make_registry_error(
      response(401, "", {{"www-authenticate", R"(Bearer realm="r",error="invalid_token",error_description="old")"}}),
      "");
  EXPECT_FALSE(invalid.insufficient_scope());
  EXPECT_EQ(invalid.text(), "unauthorized: old");
}

TEST(RegistryError, LacksARealmIfThereIsNoOtherWayIn) {
  const auto lacks_realm = [](int status, HeaderList challenges) {
    return make_registry_error(response(status, "", std::move(challenges)), "").lacks_realm();
  };
  EXPECT_TRUE(lacks_realm(401, {{"WWW-Authenticate", R"(Bearer service="x")"}}));
  EXPECT_TRUE(lacks_realm(401, {{"WWW-Authenticate", "Negotiate"}, {"WWW-Authenticate", "Bearer"}}));
  EXPECT_FALSE(
      lacks_realm(401, {{"WWW-Authenticate", R"(Bearer service="x")"}, {"WWW-Authenticate", R"(Basic realm="y")"}}));
  EXPECT_FALSE(lacks_realm(401, {{"WWW-Authenticate", R"(Bearer service="x", Bearer realm="https://r.example")"}}));
  EXPECT_FALSE(lacks_realm(401, {{"WWW-Authenticate", "Negotiate"}}));
  EXPECT_FALSE(lacks_realm(403, {{"WWW-Authenticate", R"(Bearer service="x")"}}));
}

TEST(RegistryError, TakesHostileJsonAsText) {
  const RegistryError error = make_registry_error(response(400, std::string(60'000, '[')), "request");
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(error.text().starts_with("request: 400 Bad Request: [[["));
}

TEST(RegistryError, CutsForeignText) {
  const RegistryError error = make_registry_error(response(403, std::string(60'000, 'x')), "");
  EXPECT_LT(error.text().size(), 1200U);
}

TEST(RegistryError, ReadsRetryAfter) {
  const auto after = [](const char* value) {
    return make_registry_error(response(429, "", {{"Retry-After", value}}), "").retry_after();
  };
  EXPECT_EQ(after("7"), std::chrono::seconds(7));
  EXPECT_EQ(after("99999999999999"), std::chrono::seconds(24 * 3600));
  EXPECT_EQ(after("Wed, 21 Oct 2015 07:28:00 GMT"), std::chrono::seconds(0));
  EXPECT_EQ(after("Wed, 21 Oct 2099 07:28:00 GMT"), std::chrono::seconds(24 * 3600));
  EXPECT_FALSE(after("soon"));
}

}  // namespace
}  // namespace lighterd::distribution
