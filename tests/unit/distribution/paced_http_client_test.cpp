// SPDX-License-Identifier: Apache-2.0
#include "distribution/paced_http_client.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "distribution/registry_error.hpp"
#include "tests/unit/distribution/registry_fixture.hpp"

namespace lighterd::distribution {
namespace {

using base::ErrorCode;
using std::chrono::milliseconds;

class OneAnswer final : public HttpClient {
 public:
  HttpResponse perform(const HttpRequest& request, const OnHead& on_head, std::size_t, std::stop_token) override {
    urls.push_back(request.url);
    if (error) throw TransportError(*error, ErrorCode::kUnavailable, "x");
    if (on_head) on_head(answer);
    return answer;
  }
  HttpResponse answer;
  std::optional<TransportFailure> error;
  std::vector<std::string> urls;
};

class PacedHttpClientTest : public testing::Test {
 protected:
  HttpResponse get(const std::string& url, milliseconds patience = milliseconds(60'000)) {
    HttpRequest request;
    request.url = url;
    request.patience = patience;
    request.on_wait = [this](const RetryNotice& notice) { waits.push_back(notice); };
    return client.perform(request, {}, 100, stop.get_token());
  }
  void answer(int status, HeaderList headers) {
    inner.answer.status = status;
    inner.answer.headers = std::move(headers);
  }

  base::Logger logger{base::LogLevel::kError};
  HostStates states{logger};
  OneAnswer inner;
  PacedHttpClient client{inner, states};
  std::stop_source stop;
  std::vector<RetryNotice> waits;
};

TEST_F(PacedHttpClientTest, AHostThatAskedForAPauseIsLeftAloneByAll) {
  answer(429, {{"Retry-After", "1000000000"}});
  get("https://reg.example/a");
  EXPECT_GT(states.pause_of("https://reg.example"), milliseconds(59'000));
  EXPECT_LE(states.pause_of("https://reg.example"), milliseconds(60'000));
  // Others may be asked.
  get("https://reg.example:444/a");
  get("https://other.example/a");
  EXPECT_TRUE(waits.empty());
  const auto refusal = error_of<RegistryError>([&] { get("https://reg.example/b", milliseconds(0)); });
  EXPECT_EQ(refusal.status(), 429);
  EXPECT_GE(refusal.retry_after(), std::chrono::seconds(59));
  EXPECT_LE(refusal.retry_after(), std::chrono::seconds(60));
  EXPECT_EQ(inner.urls.size(), 3U);
}

TEST_F(PacedHttpClientTest, WaitsAndSaysSo) {
  answer(503, {{"Retry-After", "1"}});
  get("https://reg.example/a");
  answer(200, {});
  const auto before = std::chrono::steady_clock::now();
  get("https://reg.example/b");
  EXPECT_GE(std::chrono::steady_clock::now() - before, milliseconds(900));
  ASSERT_EQ(waits.size(), 1U);
  EXPECT_NE(waits[0].reason.find("reg.example"), std::string::npos);
  get("https://reg.example/c");
  EXPECT_EQ(waits.size(), 1U);
}

TEST_F(PacedHttpClientTest, WaitsAgainWhenOthersWereToldToMeanwhile) {
  HttpResponse busy;
  busy.status = 429;
  busy.headers = {{"Retry-After", "1"}};
  states.note_answer("https://reg.example", busy);
  answer(200, {});
  const auto before = std::chrono::steady_clock::now();
  HttpRequest request;
  request.url = "https://reg.example/a";
  request.on_wait = [&](const RetryNotice& notice) {
    waits.push_back(notice);
    // Another client's answer, while this one waits.
    if (waits.size() == 1) {
      busy.headers = {{"Retry-After", "2"}};
      states.note_answer("https://reg.example", busy);
    }
  };
  client.perform(request, {}, 100, stop.get_token());
  EXPECT_GE(std::chrono::steady_clock::now() - before, milliseconds(1990));
  EXPECT_EQ(waits.size(), 2U);
}

TEST_F(PacedHttpClientTest, OnlyBusyAnswersPause) {
  answer(200, {{"Retry-After", "100"}});
  get("https://reg.example/a");
  answer(429, {{"Retry-After", "-5"}});
  get("https://reg.example/a");
  answer(429, {{"Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"}});
  get("https://reg.example/a");
  EXPECT_EQ(states.pause_of("https://reg.example"), milliseconds(0));
}

TEST_F(PacedHttpClientTest, KnowsHostsThatAnswered) {
  inner.error = TransportFailure::kConnect;
  EXPECT_FALSE(error_of<TransportError>([&] { get("https://reg.example/a"); }).is_known_host());
  inner.error.reset();
  answer(404, {});
  get("https://reg.example/a");
  inner.error = TransportFailure::kConnect;
  EXPECT_TRUE(error_of<TransportError>([&] { get("https://reg.example/a"); }).is_known_host());
  EXPECT_FALSE(error_of<TransportError>([&] { get("http://reg.example/a"); }).is_known_host());
}

TEST_F(PacedHttpClientTest, KeepsRateLimits) {
  answer(200, {{"RateLimit-Limit", "100;w=21600"},
               {"ratelimit-remaining", "76;w=21600"},
               {"Docker-RateLimit-Source", "192.0.2.1"}});
  get("https://reg.example/a");
  const auto limits = states.rate_limits();
  ASSERT_EQ(limits.size(), 1U);
  const RateLimit& limit = limits.at("https://reg.example");
  EXPECT_EQ(limit.limit, 100);
  EXPECT_EQ(limit.remaining, 76);
  EXPECT_EQ(limit.window, std::chrono::seconds(21600));
  EXPECT_EQ(limit.source, "192.0.2.1");
  answer(200, {{"RateLimit-Limit", "many"}, {"RateLimit-Remaining", "7"}});
  get("https://reg.example/a");
  EXPECT_EQ(states.rate_limits().at("https://reg.example").remaining, 76);
}

}  // namespace
}  // namespace lighterd::distribution
