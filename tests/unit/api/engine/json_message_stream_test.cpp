// SPDX-License-Identifier: Apache-2.0
#include "api/engine/json_message_stream.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/unit/api/engine/fake_exchange.hpp"

namespace lighterd::api {
namespace {

using distribution::ProgressEvent;
using Kind = ProgressEvent::Kind;

ProgressEvent event(Kind kind, std::string id, std::string status, std::int64_t current = 0, std::int64_t total = 0,
                    std::string aux = {}) {
  return {kind, std::move(id), std::move(status), current, total, std::move(aux)};
}

TEST(JsonMessageStream, RecordsAreDockersByteForByte) {
  EXPECT_EQ(progress_record(event(Kind::kMessage, "latest", "Pulling from library/alpine")),
            "{\"status\":\"Pulling from library/alpine\",\"id\":\"latest\"}\r\n");
  EXPECT_EQ(progress_record(event(Kind::kMessage, "", "Digest: sha256:12")), "{\"status\":\"Digest: sha256:12\"}\r\n");
  EXPECT_EQ(progress_record(event(Kind::kProgress, "0123456789ab", "Pulling fs layer")),
            "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"0123456789ab\"}\r\n");
  EXPECT_EQ(progress_record(event(Kind::kProgress, "0123456789ab", "Downloading", 5, 9007199254740993)),
            "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":9007199254740993},"
            "\"id\":\"0123456789ab\"}\r\n");
  EXPECT_EQ(progress_record(event(Kind::kProgress, "a", "Downloading", 0, 7)),
            "{\"status\":\"Downloading\",\"progressDetail\":{\"total\":7},\"id\":\"a\"}\r\n");
  EXPECT_EQ(progress_record(event(Kind::kAux, "", "", 0, 0, R"({"Tag":"latest","Size":7})")),
            "{\"progressDetail\":{},\"aux\":{\"Tag\":\"latest\",\"Size\":7}}\r\n");
  ProgressEvent ended = event(Kind::kProgress, "a", "Pull complete");
  ended.hides_counts = true;
  EXPECT_EQ(progress_record(ended),
            "{\"status\":\"Pull complete\",\"progressDetail\":{\"hidecounts\":true},\"id\":\"a\"}\r\n");
  EXPECT_EQ(error_record("no \"x\""),
            "{\"error\":\"no \\\"x\\\"\",\"errorDetail\":{\"message\":\"no \\\"x\\\"\"}}\r\n");
}

TEST(JsonMessageStream, StartsWithTheFirstRecordAndWritesOneAtATime) {
  tests::FakeResponse response;
  JsonMessageStream stream(response);
  EXPECT_FALSE(stream.has_started());
  EXPECT_FALSE(response.started());
  stream.on_progress(event(Kind::kMessage, "", "one"));
  EXPECT_TRUE(stream.has_started());
  stream.on_progress(event(Kind::kMessage, "", "two"));
  EXPECT_FALSE(response.complete);
  stream.finish();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(response.writes, (std::vector<std::string>{"{\"status\":\"one\"}\r\n", "{\"status\":\"two\"}\r\n"}));
  EXPECT_TRUE(response.complete);
}

TEST(JsonMessageStream, FailureIsTheLastRecord) {
  tests::FakeResponse response;
  JsonMessageStream stream(response);
  stream.on_progress(event(Kind::kMessage, "", "one"));
  stream.fail("it broke");
  stream.on_progress(event(Kind::kMessage, "", "late"));
  stream.finish();
  ASSERT_EQ(response.writes.size(), 2u);
  EXPECT_EQ(response.writes[1], error_record("it broke"));
  EXPECT_TRUE(response.complete);
}

TEST(JsonMessageStream, IsCutWhenTheClientIsGone) {
  tests::FakeResponse response;
  response.fail_writes_from = 1;
  JsonMessageStream stream(response);
  stream.on_progress(event(Kind::kMessage, "", "one"));
  stream.on_progress(event(Kind::kMessage, "", "two"));
  response.fail_writes_from.reset();
  stream.on_progress(event(Kind::kMessage, "", "three"));
  stream.fail("x");
  stream.finish();
  EXPECT_EQ(response.writes.size(), 1u);
  EXPECT_FALSE(response.complete);
}

TEST(JsonMessageStream, RecordsOfSeveralThreadsDoNotMix) {
  tests::FakeResponse response;
  JsonMessageStream stream(response);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&stream, i] {
        for (int n = 0; n < 200; ++n)
          stream.on_progress(event(Kind::kProgress, std::to_string(i), "Downloading", n, 200));
      });
  }
  stream.finish();
  EXPECT_EQ(response.writes.size(), 800u);
  for (const std::string& line : response.writes) EXPECT_TRUE(nlohmann::json::accept(line)) << line;
}

}  // namespace
}  // namespace lighterd::api
