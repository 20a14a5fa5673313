// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "api/engine/event_filter.hpp"
#include "api/engine/event_stream.hpp"
#include "tests/unit/api/engine/engine_fixture.hpp"

namespace lighterd::tests {
namespace {

using api::ApiVersion;
using api::Event;
using api::EventFilter;
using api::Filters;

Event make_event() {
  return {.action = "pull",
          .actor_id = "alpine:3",
          .attributes = {{"k", "v"}, {"name", "alpine"}},
          .time = base::Timestamp(std::chrono::nanoseconds(1'700'000'000'123'456'789))};
}

TEST(EventFormat, HasDockersMembersInDockersOrder) {
  const std::string modern = R"("Type":"image","Action":"pull","Actor":{"ID":"alpine:3","Attributes":{"k":"v",)"
                             R"("name":"alpine"}},"scope":"local","time":1700000000,"timeNano":1700000000123456789})";
  EXPECT_EQ(api::negotiate_event_format(nullptr, ApiVersion(52)).to_text(make_event()), "{" + modern + "\n");
  EXPECT_EQ(api::negotiate_event_format(nullptr, ApiVersion(51)).to_text(make_event()),
            R"({"status":"pull","id":"alpine:3",)" + modern + "\n");
  const std::string sequence = "application/json-seq";
  EXPECT_EQ(api::negotiate_event_format(&sequence, ApiVersion(52)).to_text(make_event()), "\x1e{" + modern + "\n");
}

TEST(EventFormat, AcceptChoosesInAnyVersion) {
  struct Case {
    const char* accept;
    const char* type;
  };
  for (const auto& [accept, type] : {
           Case{"application/jsonl", "application/jsonl"},
           Case{"application/x-ndjson", "application/x-ndjson"},
           Case{"APPLICATION/JSON-SEQ", "application/json-seq"},
           Case{"text/html, application/x-ndjson;q=0.1", "application/x-ndjson"},
           Case{"application/jsonl;q=0.2, application/json-seq;q=0.9", "application/json-seq"},
           Case{"application/jsonl, application/x-ndjson;q=0.9, application/json-seq;q=0.5", "application/jsonl"},
           Case{"application/json-seq, application/jsonl", "application/jsonl"},
           Case{"application/jsonl;q=0, application/json-seq;q=0.001", "application/json-seq"},
           Case{"application/jsonl;charset=utf-8;q=0.3,application/x-ndjson ; q=0.25", "application/jsonl"},
           Case{"*/*", "application/json"},
           Case{"application/*;q=0.9", "application/json"},
           Case{"application/jsonl;q=0", "application/json"},
           Case{"", "application/json"},
       }) {
    const std::string text = accept;
    EXPECT_EQ(api::negotiate_event_format(&text, ApiVersion(22)).content_type(), type) << accept;
  }
  EXPECT_EQ(api::negotiate_event_format(nullptr, ApiVersion(51)).content_type(), "application/json");
  EXPECT_EQ(api::negotiate_event_format(nullptr, ApiVersion(52)).content_type(), "application/jsonl");
}

TEST(EventFilter, MatchesAsDockerdDoes) {
  const Event event{.action = "tag",
                    .actor_id = "sha256:abc",
                    .attributes = {{"color", "red"}, {"name", "host:5000/team/app:1"}, {"size", "1"}},
                    .time = {}};
  struct Case {
    const char* filters;
    bool accepted;
  };
  for (const auto& [filters, accepted] : {
           Case{"", true},
           Case{R"({"event":["tag"]})", true},
           Case{R"({"event":["pull","tag"]})", true},
           Case{R"({"event":{"pull":true}})", false},
           Case{R"({"type":["image"]})", true},
           Case{R"({"type":["container"]})", false},
           Case{R"({"scope":["local"]})", true},
           Case{R"({"scope":["swarm"]})", false},
           Case{R"({"image":["sha256:abc"]})", true},
           Case{R"({"image":["host:5000/team/app:1"]})", true},
           Case{R"({"image":["host:5000/team/app"]})", true},
           Case{R"({"image":["host:5000/team"]})", false},
           Case{R"({"label":["color"]})", true},
           Case{R"({"label":["color=red","size=1"]})", true},
           Case{R"({"label":["color=red","size=2"]})", false},
           Case{R"({"label":["shape"]})", false},
           Case{R"({"container":["sha256:a"]})", true},
           Case{R"({"network":["host:5000/t"]})", true},
           Case{R"({"config":["other"]})", false},
           Case{R"({"unknown":["x"]})", true},
           Case{R"({"event":["tag"],"type":["container"]})", false},
           Case{R"({"event":[]})", true},
       })
    EXPECT_EQ(EventFilter(Filters::parse(filters)).accepts(event), accepted) << filters;
}

class Events : public EngineTest {};

TEST_F(Events, AcceptMayComeInSeveralFields) {
  events_.close();
  const auto type = [&](std::vector<std::pair<std::string, std::string>> headers) {
    return ask({.target = "/v1.44/events?since=0", .headers = std::move(headers)}).content_type;
  };
  EXPECT_EQ(type({{"Accept", "application/jsonl;q=0.5"}, {"accept", "application/json-seq"}}), "application/json-seq");
  EXPECT_EQ(type({{"Accept", "text/plain"}, {"Accept", "application/x-ndjson"}}), "application/x-ndjson");
  EXPECT_EQ(type({}), "application/json");
}

std::vector<std::string> summaries(const std::vector<Json>& events) {
  std::vector<std::string> lines;
  for (const Json& event : events)
    lines.push_back(event["Action"].get<std::string>() + " " + event["Actor"]["ID"].get<std::string>() + " " +
                    event["Actor"]["Attributes"]["name"].get<std::string>());
  return lines;
}

TEST_F(Events, TagUntagAndDeleteInOrder) {
  const TestImage image = make_image({.labels = {{"k", "v"}}});
  store_.publish(image, "a:1");
  const std::string id = image.manifest.digest.to_string();
  EXPECT_EQ(ask({"POST", "/images/a:1/tag?repo=b"}).status, 201);
  EXPECT_EQ(ask({"POST", "/images/a:1/tag?repo=b"}).status, 201);
  EXPECT_EQ(ask({"DELETE", "/images/a:1"}).status, 200);
  EXPECT_EQ(ask({"DELETE", "/images/nothing:1"}).status, 404);
  EXPECT_EQ(ask({"DELETE", "/images/b"}).status, 200);
  events_.close();
  const FakeResponse response = get("/v1.44/events?since=0");
  EXPECT_EQ(response.content_type, "application/json");
  std::vector<Json> events;
  for (const std::string& line : response.writes) events.push_back(Json::parse(line));
  EXPECT_EQ(summaries(events),
            (std::vector<std::string>{"tag " + id + " b:latest", "tag " + id + " b:latest", "untag " + id + " a:1",
                                      "untag " + id + " b:latest", "delete " + id + " " + id}));
  for (const Json& event : events) {
    EXPECT_EQ(event["status"], event["Action"]);
    EXPECT_EQ(event["id"], event["Actor"]["ID"]);
    EXPECT_EQ(event["timeNano"].get<std::int64_t>() / 1'000'000'000, event["time"].get<std::int64_t>());
  }
}

TEST_F(Events, CreateIsHiddenFromOldClients) {
  events_.add("create", "x", {});
  events_.add("pull", "y", {});
  events_.close();
  EXPECT_EQ(get("/v1.45/events?since=0").writes.size(), 1u);
  EXPECT_EQ(get("/v1.46/events?since=0").writes.size(), 2u);
}

TEST_F(Events, BadTimesAndFilters) {
  struct Case {
    const char* query;
    const char* message;
  };
  for (const auto& [query, message] : {Case{"since=x", "invalid value for 'since': parsing \"x\": not a Unix time"},
                                       Case{"until=1h", "invalid value for 'until': parsing \"1h\": not a Unix time"},
                                       Case{"since=1.", "invalid value for 'since': parsing \"1.\": not a Unix time"},
                                       Case{"since=1.x", "invalid value for 'since': parsing \"1.x\": not a Unix time"},
                                       Case{"since=20&until=10", "`since` time (20) cannot be after `until` time (10)"},
                                       Case{"filters=x", "invalid filter"}}) {
    const FakeResponse response = get(std::string("/events?") + query);
    EXPECT_EQ(response.status, 400) << query;
    EXPECT_EQ(message_of(response), message);
  }
}

TEST_F(Events, PeriodsBoundTheReplay) {
  events_.add("pull", "a", {});
  struct Case {
    const char* query;
    std::size_t count;
  };
  for (const auto& [query, count] : {Case{"since=0&until=1", 0}, Case{"until=1", 0}, Case{"since=-5.5&until=1.5", 0},
                                     Case{"since=1700000000.5&until=1700000001", 0}}) {
    const FakeResponse response = get(std::string("/events?") + query);
    EXPECT_EQ(response.status, 200) << query << response.body;
    EXPECT_TRUE(response.complete) << query;
    EXPECT_EQ(response.writes.size(), count) << query;
  }
  const std::string soon = std::to_string(base::to_unix_seconds(base::now()) + 1);
  EXPECT_EQ(get("/events?until=" + soon).writes.size(), 1u);
  EXPECT_EQ(get("/events?until=" + soon + "&since=1").writes.size(), 1u);
  events_.close();
  EXPECT_EQ(get("/events").writes.size(), 0u);
  EXPECT_EQ(get("/events?until=99999999999999").writes.size(), 1u);
  EXPECT_EQ(get("/events?since=99999999999999").writes.size(), 0u);
}

TEST_F(Events, AStreamEndsWithTheClient) {
  std::stop_source stop;
  FakeResponse response;
  {
    const std::jthread client([&] {
      while (events_.listener_count() == 0) std::this_thread::yield();
      stop.request_stop();
    });
    response = ask({.target = "/events"}, stop.get_token());
  }
  EXPECT_EQ(response.status, 200);
  EXPECT_FALSE(response.complete) << "a client that is gone is not told of an end";
  EXPECT_EQ(events_.listener_count(), 0u);
}

}  // namespace
}  // namespace lighterd::tests
