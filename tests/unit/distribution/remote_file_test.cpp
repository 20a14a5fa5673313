// SPDX-License-Identifier: Apache-2.0
#include "distribution/remote_file.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "distribution/curl_http_client.hpp"
#include "distribution/registry_error.hpp"
#include "tests/support/fake_registry.hpp"
#include "tests/support/test_store.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

class RemoteFileTest : public testing::Test {
 protected:
  std::string read(const std::string& url, const RemoteFileOptions& options = {}) {
    RemoteFile file(http_, parse_file_url(url), options, "tester/1", stop_.get_token());
    size_ = file.size_bytes();
    return base::read_all(file, std::size_t{1} << 24, "test");
  }

  Error failure(const std::string& url, const RemoteFileOptions& options = {}) {
    try {
      read(url, options);
    } catch (const Error& error) {
      return error;
    }
    return {ErrorCode::kAlreadyExists, "no error"};
  }

  void redirect_to(const std::string& location, int status = 302) {
    server_.add_fault({.path = "/go", .status = status, .headers = {{"Location", location}}});
  }

  tests::FakeRegistry server_;
  CurlHttpClient http_;
  std::stop_source stop_;
  std::optional<std::int64_t> size_;
};

TEST_F(RemoteFileTest, GivesTheFile) {
  const std::string content = tests::make_content(3'000'000);
  server_.add_fault({.path = "/dir/file.tar", .status = 200, .body = content});
  EXPECT_EQ(read(server_.host() + "/dir/file.tar?x=1"), content);
  EXPECT_EQ(size_, 3'000'000);
  const auto seen = server_.requests();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].query, "x=1");
  EXPECT_EQ(seen[0].header("user-agent"), "tester/1");
}

TEST_F(RemoteFileTest, RefusalsOfTheServerKeepTheirMeaning) {
  const std::pair<int, ErrorCode> cases[] = {{400, ErrorCode::kInvalidArgument},  {401, ErrorCode::kUnauthenticated},
                                             {403, ErrorCode::kPermissionDenied}, {404, ErrorCode::kNotFound},
                                             {410, ErrorCode::kInternal},         {500, ErrorCode::kInternal}};
  for (const auto& [status, code] : cases) {
    server_.clear_faults();
    server_.add_fault({.path = "/file", .status = status, .body = " why not\n"});
    const Error error = failure(server_.url() + "/file");
    EXPECT_EQ(error.code(), code) << status;
    EXPECT_EQ(error.text(),
              "failed to GET " + server_.url() + "/file with status " + status_text(status) + ": why not");
  }
}

TEST_F(RemoteFileTest, AnEndlessRefusalIsNotReadOut) {
  server_.add_fault({.path = "/file", .status = 404, .body = std::string(1000, 'x'), .endless_body = true});
  EXPECT_EQ(failure(server_.url() + "/file").code(), ErrorCode::kNotFound);
}

TEST_F(RemoteFileTest, OnlyHttpAndHttps) {
  for (const char* url : {"file:///etc/passwd", "ftp://host/x", "gopher://host/x", "http://", "http://user:pw@host/x"})
    EXPECT_EQ(failure(url).code(), ErrorCode::kInvalidArgument) << url;
}

TEST_F(RemoteFileTest, RedirectsOnTheSameServerAreFollowed) {
  for (const int status : {301, 302, 303, 307, 308}) {
    server_.clear_faults();
    redirect_to("/file", status);
    server_.add_fault({.path = "/file", .status = 200, .body = "content"});
    EXPECT_EQ(read(server_.url() + "/go"), "content") << status;
  }
  server_.clear_faults();
  server_.add_fault({.path = "/go", .times = -1, .status = 302, .headers = {{"Location", "/go"}}});
  server_.clear_requests();
  EXPECT_EQ(failure(server_.url() + "/go").code(), ErrorCode::kInternal);
  EXPECT_EQ(server_.requests().size(), 6U);
}

// What was named may be anywhere; what a server names must be on the Internet.
TEST_F(RemoteFileTest, RedirectsIntoPrivateSpaceAreRefused) {
  tests::FakeRegistry other;
  for (const std::string& target :
       {other.url() + "/secret", "http://localhost:" + std::to_string(other.port()) + "/secret",
        std::string("http://169.254.169.254/latest/meta-data"), std::string("http://[::1]:1/")}) {
    server_.clear_faults();
    redirect_to(target);
    EXPECT_EQ(failure(server_.url() + "/go").code(), ErrorCode::kPermissionDenied) << target;
  }
  EXPECT_EQ(other.connections(), 0);
  for (const char* target : {"file:///etc/passwd", "ftp://127.0.0.1/"}) {
    server_.clear_faults();
    redirect_to(target);
    EXPECT_EQ(failure(server_.url() + "/go").code(), ErrorCode::kInvalidArgument) << target;
  }
}

TEST_F(RemoteFileTest, SizesAreBounded) {
  server_.add_fault({.path = "/large", .times = -1, .status = 200, .body = std::string(1001, 'x')});
  EXPECT_EQ(failure(server_.url() + "/large", {.max_bytes = 1000}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(read(server_.url() + "/large", {.max_bytes = 1001}).size(), 1001U);
  server_.add_fault({.path = "/endless", .status = 200, .body = std::string(1000, 'x'), .endless_body = true});
  EXPECT_EQ(failure(server_.url() + "/endless", {.max_bytes = 5'000'000}).code(), ErrorCode::kInvalidArgument);
}

TEST_F(RemoteFileTest, WhatBreaksOffOrStallsIsAnError) {
  server_.add_fault({.path = "/cut", .status = 200, .body = std::string(100'000, 'x'), .cut_after_bytes = 50'000});
  EXPECT_EQ(failure(server_.url() + "/cut").code(), ErrorCode::kInternal);
  server_.add_fault({.path = "/stall", .status = 200, .body = std::string(100'000, 'x'), .stall_after_bytes = 50'000});
  EXPECT_EQ(failure(server_.url() + "/stall", {.stall_timeout = std::chrono::milliseconds(200)}).code(),
            ErrorCode::kInternal);
  EXPECT_EQ(failure("http://127.0.0.1:1/refused").code(), ErrorCode::kInternal);
  EXPECT_EQ(failure("http://nowhere.invalid/file").code(), ErrorCode::kNotFound);
}

TEST_F(RemoteFileTest, AStopEndsIt) {
  server_.add_fault({.path = "/stall", .status = 200, .body = "x", .stall_before_head = true});
  const std::jthread stopper([&] {
    EXPECT_TRUE(server_.wait_for_requests(1, "GET", "/stall"));
    stop_.request_stop();
  });
  EXPECT_EQ(failure(server_.url() + "/stall").code(), ErrorCode::kCancelled);
}

TEST_F(RemoteFileTest, AReaderThatGoesEndsIt) {
  server_.add_fault({.path = "/endless", .status = 200, .body = std::string(1000, 'x'), .endless_body = true});
  const RemoteFile file(http_, parse_file_url(server_.url() + "/endless"), {}, "", {});
  EXPECT_EQ(file.size_bytes(), std::nullopt);
}

TEST_F(RemoteFileTest, CanBeSwitchedOff) {
  EXPECT_EQ(failure(server_.url() + "/file", {.access = UrlAccess::kRefused}).code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(server_.connections(), 0);
}

}  // namespace
}  // namespace lighterd::distribution
