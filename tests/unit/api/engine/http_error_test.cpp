// SPDX-License-Identifier: Apache-2.0
#include "api/engine/http_error.hpp"

#include <gtest/gtest.h>

#include "tests/unit/api/engine/fake_exchange.hpp"

namespace lighterd::api {
namespace {

using base::ErrorCode;

// engine-api.md section 1.3 and the table of style.md section 2.4.
TEST(HttpError, EveryCodeHasMobysStatus) {
  const std::pair<ErrorCode, int> table[] = {
      {ErrorCode::kInvalidArgument, 400},   {ErrorCode::kUnauthenticated, 401},  {ErrorCode::kPermissionDenied, 403},
      {ErrorCode::kNotFound, 404},          {ErrorCode::kConflict, 409},         {ErrorCode::kAlreadyExists, 409},
      {ErrorCode::kResourceExhausted, 429}, {ErrorCode::kNotImplemented, 501},   {ErrorCode::kUnavailable, 503},
      {ErrorCode::kNoSpace, 500},           {ErrorCode::kDeadlineExceeded, 500}, {ErrorCode::kDataLoss, 500},
      {ErrorCode::kInternal, 500},          {ErrorCode::kCancelled, 500}};
  for (const auto& [code, status] : table) EXPECT_EQ(http_status(code), status) << to_string(code);
}

TEST(HttpError, BodyIsMobysByteForByte) {
  EXPECT_EQ(error_body("No such image: a<b>&c:latest"), "{\"message\":\"No such image: a<b>&c:latest\"}\n");
  EXPECT_EQ(error_body("a \"quoted\" line\n\x1b"), "{\"message\":\"a \\\"quoted\\\" line\\n\\u001b\"}\n");
  EXPECT_EQ(error_body("bad \xff utf-8"), "{\"message\":\"bad \xEF\xBF\xBD utf-8\"}\n");
}

TEST(HttpError, ContentTypeHasNoParameters) {
  tests::FakeResponse response;
  send_error(response, 418, "x");
  EXPECT_EQ(response.status, 418);
  EXPECT_EQ(response.content_type, "application/json");
}

}  // namespace
}  // namespace lighterd::api
