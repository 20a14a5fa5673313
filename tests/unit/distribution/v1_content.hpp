// SPDX-License-Identifier: Apache-2.0
// What a V1 registry answers about team/app, for a FakeRegistry to say.
#pragma once

#include <string>
#include <utility>

#include "tests/support/fake_registry.hpp"

namespace lighterd::distribution::v1 {

inline const std::string kId(64, 'a');
inline const std::string kOtherId(64, 'b');
inline const std::string kToken = R"(signature=canary,repository="team/app",access=read)";
inline const std::string kImages = "/v1/repositories/team/app/images";
inline const std::string kTags = "/v1/repositories/team/app/tags";
inline const std::string kImageJson =
    R"({"id":")" + kId + R"(","os":"linux","architecture":"amd64","docker_version":"0.6","config":{"Env":["A=b"]}})";

// For as long as faults are not cleared.
inline void serve(tests::FakeRegistry& server, const std::string& path, const std::string& body,
                  tests::Headers headers = {}) {
  server.add_fault({.path = path, .times = -1, .status = 200, .headers = std::move(headers), .body = body});
}

// The repository, with what its answer has beside the token.
inline void serve_repository(tests::FakeRegistry& server, tests::Headers headers = {}) {
  headers.emplace_back("X-Docker-Token", kToken);
  serve(server, kImages, R"([{"id":")" + kId + R"("}])", std::move(headers));
}

// latest is an image; 1.0 is in the list alone, and its image is gone.
inline void serve_content(tests::FakeRegistry& server) {
  serve(server, kTags, R"({"latest":")" + kId + R"(","1.0":")" + kOtherId + R"("})");
  serve(server, kTags + "/latest", "\"" + kId + "\"");
  serve(server, "/v1/images/" + kId + "/json", kImageJson);
}

}  // namespace lighterd::distribution::v1
