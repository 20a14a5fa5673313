// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_code.hpp"

#include <gtest/gtest.h>

namespace lighterd::cli {
namespace {

TEST(ExitCodeTest, OfAStatus) {
  EXPECT_EQ(exit_code_of_status(404), ExitCode::kNotFound);
  EXPECT_EQ(exit_code_of_status(401), ExitCode::kDenied);
  EXPECT_EQ(exit_code_of_status(403), ExitCode::kDenied);
  for (const long status : {400, 409, 429, 500, 501, 503}) EXPECT_EQ(exit_code_of_status(status), ExitCode::kFailed);
}

TEST(ExitCodeTest, OfARefusal) {
  EXPECT_EQ(exit_code_of_refusal(404,
                                 "pull access denied for a, repository does not exist or may require "
                                 "'docker login': denied: requested access to the resource is denied"),
            ExitCode::kDenied);
  EXPECT_EQ(exit_code_of_refusal(404, "repository a not found, or needs a login: insufficient_scope"),
            ExitCode::kDenied);
  EXPECT_EQ(exit_code_of_refusal(404, "No such image: a"), ExitCode::kNotFound);
  EXPECT_EQ(exit_code_of_refusal(409, "unauthorized"), ExitCode::kFailed);
}

TEST(ExitCodeTest, OfWhatEndsAStream) {
  EXPECT_EQ(exit_code_of_text("push access denied, repository does not exist or may require authorization"),
            ExitCode::kDenied);
  EXPECT_EQ(exit_code_of_text("failed to do: authorization failed: no basic auth credentials"), ExitCode::kDenied);
  EXPECT_EQ(exit_code_of_text("tag does not exist: x:latest"), ExitCode::kNotFound);
  EXPECT_EQ(exit_code_of_text("An image does not exist locally with the tag: x"), ExitCode::kNotFound);
  EXPECT_EQ(exit_code_of_text("unexpected EOF"), ExitCode::kFailed);
}

TEST(ExitCodeTest, OfAnError) {
  EXPECT_EQ(exit_code_of(Failure(ExitCode::kUnreachable, "x")), ExitCode::kUnreachable);
  EXPECT_EQ(exit_code_of(base::Error(base::ErrorCode::kCancelled, "x")), ExitCode::kInterrupted);
  EXPECT_EQ(exit_code_of(base::Error(base::ErrorCode::kNotFound, "a file")), ExitCode::kFailed);
  EXPECT_EQ(exit_code_of(std::bad_alloc()), ExitCode::kFailed);
}

}  // namespace
}  // namespace lighterd::cli
