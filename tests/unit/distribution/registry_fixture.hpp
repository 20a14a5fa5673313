// SPDX-License-Identifier: Apache-2.0
// What the tests of RegistryClient share.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "base/log.hpp"
#include "distribution/curl_http_client.hpp"
#include "distribution/paced_http_client.hpp"
#include "distribution/registry_client.hpp"
#include "distribution/registry_error.hpp"
#include "tests/support/fake_registry.hpp"

namespace lighterd::distribution {

inline const std::string kManifestType = "application/vnd.oci.image.manifest.v1+json";

// Takes a blob from the start, in order.
class StringSink final : public BlobSink {
 public:
  explicit StringSink(const oci::Descriptor& blob) : size_bytes(blob.size_bytes) {}
  imagestore::ByteRange wanted() const override { return {static_cast<std::int64_t>(text.size()), size_bytes}; }
  void begin(Answer answer) override {
    answers.push_back(answer);
    if (answer == Answer::kWhole) text.clear();
  }
  void write(base::Bytes data) override { text += base::as_text(data); }
  std::int64_t size_bytes;
  std::string text;
  std::vector<Answer> answers;
};

// What `action` throws; a test failure if nothing or something else.
template <typename E = base::Error, typename F>
E error_of(F&& action) {
  try {
    action();
  } catch (const E& error) {
    return error;
  }
  throw std::logic_error("no such error");
}

inline AuthConfig password_auth(const std::string& username, const std::string& password) {
  AuthConfig auth;
  auth.username = username;
  auth.password = base::Secret(password);
  return auth;
}

class RegistryTest : public testing::Test {
 protected:
  RegistryClient client(const tests::FakeRegistry& server, Access access = Access::kPull, AuthConfig auth = {},
                        const std::string& path = "team/app") {
    return RegistryClient(http, options, oci::parse_repository_name(server.host() + "/" + path), access,
                          {std::move(auth), "lighterd/test", {{"X-Meta-Client", "meta"}}}, logger);
  }

  tests::FakeRegistry registry;
  base::Logger logger{base::LogLevel::kError};
  CurlHttpClient curl;
  HostStates hosts{logger};
  PacedHttpClient http{curl, hosts};
  RegistryOptions options = [] {
    RegistryOptions result;
    result.retry.max_attempts = 1;  // what a single try does; retries have tests of their own
    return result;
  }();
  const std::string repository = "team/app";
};

}  // namespace lighterd::distribution
