// SPDX-License-Identifier: Apache-2.0
#include "distribution/retry.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "distribution/http_client.hpp"
#include "distribution/registry_error.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;
using std::chrono::milliseconds;

RegistryError refusal(int status, HeaderList headers = {}) {
  HttpResponse response;
  response.status = status;
  response.headers = std::move(headers);
  return make_registry_error(response, "Get \"https://reg.example/v2/\"");
}

TransportError broken(TransportFailure kind, bool known_host = false) {
  TransportError error(kind, ErrorCode::kUnavailable, "x");
  if (known_host) error.set_known_host();
  return error;
}

TEST(ClassifyFailure, StatusesThatMayPassAreTemporary) {
  for (const int status : {408, 429, 500, 502, 503, 504})
    EXPECT_EQ(classify_failure(refusal(status)), FailureKind::kTemporary) << status;
  for (const int status : {400, 401, 403, 404, 405, 410, 416, 501, 505})
    EXPECT_EQ(classify_failure(refusal(status)), FailureKind::kFinal) << status;
}

TEST(ClassifyFailure, BrokenConnectionsAreTemporaryAndStrangersUnreachable) {
  EXPECT_EQ(classify_failure(broken(TransportFailure::kBroken)), FailureKind::kTemporary);
  EXPECT_EQ(classify_failure(broken(TransportFailure::kTimeout)), FailureKind::kTemporary);
  for (const auto kind : {TransportFailure::kResolve, TransportFailure::kConnect, TransportFailure::kTls}) {
    EXPECT_EQ(classify_failure(broken(kind)), FailureKind::kUnreachable);
    EXPECT_EQ(classify_failure(broken(kind, true)), FailureKind::kTemporary);
  }
}

TEST(ClassifyFailure, WhatSomebodyHasToSetRightIsFinal) {
  for (const auto kind : {TransportFailure::kCertificate, TransportFailure::kProxyRefused})
    EXPECT_EQ(classify_failure(broken(kind, true)), FailureKind::kFinal);
}

TEST(ClassifyFailure, TheRestIsDamagedOrFinal) {
  EXPECT_EQ(classify_failure(Error(ErrorCode::kDataLoss, "digest")), FailureKind::kDamaged);
  for (const auto code : {ErrorCode::kNoSpace, ErrorCode::kInvalidArgument, ErrorCode::kPermissionDenied,
                          ErrorCode::kInternal, ErrorCode::kCancelled})
    EXPECT_EQ(classify_failure(Error(code, "x")), FailureKind::kFinal);
}

TEST(RetryDelay, DoublesToThirtyTimesWithJitter) {
  const RetryPolicy policy{.max_attempts = 6, .first_delay = milliseconds(1000)};
  const std::vector<int> factors = {1, 2, 4, 8, 16, 30, 30};
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const int failures = static_cast<int>(i) + 1;
    EXPECT_EQ(retry_delay(policy, failures, 0.0), milliseconds(750) * factors[i]);
    EXPECT_EQ(retry_delay(policy, failures, 0.5), milliseconds(1000) * factors[i]);
    EXPECT_LT(retry_delay(policy, failures, 0.999), milliseconds(1250) * factors[i]);
  }
  EXPECT_EQ(retry_delay(policy, 1'000'000, 0.5), milliseconds(30'000));
}

// How often `make_error` is tried before it is thrown for good.
template <typename F>
int count_tries(RetryLoop& loop, const F& make_error, const std::stop_token& stop = {}) {
  for (int tries = 1;; ++tries) {
    try {
      try {
        throw make_error();
      } catch (const Error& error) {
        loop.wait_or_rethrow(error, stop);
      }
    } catch (const Error&) {
      return tries;
    }
  }
}

const RetryPolicy kQuick{.max_attempts = 6, .first_delay = milliseconds(1)};

TEST(RetryLoop, TriesAsOftenAsTheKindOfFailureAllows) {
  RetryLoop temporary(kQuick, {});
  EXPECT_EQ(count_tries(temporary, [] { return refusal(503); }), 6);
  RetryLoop final(kQuick, {});
  EXPECT_EQ(count_tries(final, [] { return refusal(404); }), 1);
  RetryLoop unreachable(kQuick, {});
  EXPECT_EQ(count_tries(unreachable, [] { return broken(TransportFailure::kConnect); }), 3);
  RetryLoop damaged(kQuick, {});
  EXPECT_EQ(count_tries(damaged, [] { return Error(ErrorCode::kDataLoss, "digest"); }), 2);
}

TEST(RetryLoop, ProgressStartsTheCountAgainButNotOfDamage) {
  RetryLoop loop(kQuick, {});
  int left = 20;
  const auto with_progress = [&] {
    if (left-- > 0) loop.note_progress();
    return refusal(503);
  };
  EXPECT_EQ(count_tries(loop, with_progress), 20 + 5);
  RetryLoop damaged(kQuick, {});
  EXPECT_EQ(count_tries(damaged,
                        [&] {
                          damaged.note_progress();
                          return Error(ErrorCode::kDataLoss, "digest");
                        }),
            2);
}

TEST(RetryLoop, TellsWhyAndHowLongAndHonoursRetryAfter) {
  std::vector<RetryNotice> notices;
  std::stop_source stop;
  RetryLoop loop(kQuick, [&](const RetryNotice& notice) {
    notices.push_back(notice);
    if (notices.size() == 2) stop.request_stop();
  });
  int calls = 0;
  EXPECT_EQ(count_tries(
                loop,
                [&] {
                  return ++calls == 1 ? refusal(503) : refusal(429, {{"Retry-After", "1000000000"}});
                },
                stop.get_token()),
            2);
  ASSERT_EQ(notices.size(), 2U);
  EXPECT_LT(notices[0].delay, milliseconds(2));
  EXPECT_NE(notices[0].reason.find("503 Service Unavailable"), std::string::npos);
  EXPECT_GE(notices[1].delay, milliseconds(60'000));
  EXPECT_LT(notices[1].delay, milliseconds(66'200));
}

TEST(RetryLoop, APauseThatIsTooLongIsNotWaitedFor) {
  RetryLoop loop({.max_attempts = 6, .first_delay = milliseconds(1), .longest_pause = milliseconds(500)}, {});
  EXPECT_EQ(count_tries(loop, [] { return refusal(429, {{"Retry-After", "1"}}); }), 1);
  RetryLoop patient(kQuick, {});
  EXPECT_EQ(count_tries(patient, [] { return refusal(429, {{"Retry-After", "0"}}); }), 6);
}

TEST(RetryLoop, AStallHasWaitedAlready) {
  std::vector<RetryNotice> notices;
  RetryLoop loop({.max_attempts = 4, .first_delay = milliseconds(3'600'000)},
                 [&](const RetryNotice& notice) { notices.push_back(notice); });
  EXPECT_EQ(count_tries(loop, [] { return broken(TransportFailure::kTimeout); }), 4);
  ASSERT_EQ(notices.size(), 3U);
  for (const auto& notice : notices) EXPECT_EQ(notice.delay, milliseconds(0));
}

TEST(RetryLoop, AStopEndsTheWait) {
  std::stop_source stop;
  RetryLoop loop({.max_attempts = 6, .first_delay = milliseconds(3'600'000)},
                 [&](const RetryNotice&) { stop.request_stop(); });
  const auto wait = [&] {
    try {
      throw refusal(503);
    } catch (const Error& error) {
      loop.wait_or_rethrow(error, stop.get_token());
    }
  };
  try {
    wait();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

}  // namespace
}  // namespace lighterd::distribution
