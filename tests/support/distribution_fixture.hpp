// SPDX-License-Identifier: Apache-2.0
// A store, a fake registry and the transfers between them.
#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "distribution/curl_http_client.hpp"
#include "distribution/paced_http_client.hpp"
#include "distribution/puller.hpp"
#include "distribution/pusher.hpp"
#include "tests/support/fake_registry.hpp"
#include "tests/support/test_store.hpp"

namespace lighterd::tests {

// Waits that a test does not notice.
inline distribution::RegistryOptions fast_retries() {
  distribution::RegistryOptions options;
  options.retry.first_delay = std::chrono::milliseconds(2);
  return options;
}

// "id: status" for each record but those that only count; "aux: <json>".
class RecordingProgress final : public distribution::ProgressSink {
 public:
  void on_progress(const distribution::ProgressEvent& event) noexcept override {
    const std::lock_guard lock(mutex_);
    if (event.kind == distribution::ProgressEvent::Kind::kAux) {
      lines_.push_back("aux: " + event.aux_json);
    } else if (event.current_bytes == 0 && event.status != "Waiting") {
      lines_.push_back(event.id.empty() ? event.status : event.id + ": " + event.status);
    }
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  bool has(const std::string& line) const {
    const auto all = lines();
    return std::ranges::find(all, line) != all.end();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

class DistributionFixture {
 public:
  DistributionFixture() = default;

  // The queues last: their threads use everything above and are joined first.
  base::Logger logger{base::LogLevel::kError};
  oci::Platform host{.architecture = "amd64", .os = "linux", .os_version = {}, .os_features = {}, .variant = {}};
  distribution::RegistryOptions options = fast_retries();
  TestStore store;
  FakeRegistry registry;
  distribution::CurlHttpClient curl;
  distribution::HostStates hosts{logger};
  distribution::PacedHttpClient http{curl, hosts};
  distribution::TransferQueue downloads{3};
  distribution::TransferQueue uploads{5};

  distribution::DistributionServices services() {
    return {http, options, store.content(), store.images(), downloads, uploads, host, logger};
  }

  // Makes a registry hold the image's blobs and, with a tag, its manifest.
  void serve(const std::string& repository, const std::optional<std::string>& tag, const TestImage& image) {
    for (const auto& [descriptor, bytes] : image.layers) registry.add_blob(repository, bytes);
    registry.add_blob(repository, image.config_bytes);
    registry.add_manifest(repository, tag, image.manifest.media_type, image.manifest_bytes);
  }
  void serve_index(const std::string& repository, const std::string& tag,
                   const std::pair<oci::Descriptor, std::string>& index, const std::vector<TestImage>& images) {
    for (const auto& image : images) serve(repository, std::nullopt, image);
    registry.add_manifest(repository, tag, index.first.media_type, index.second);
  }

  std::string name(const std::string& rest) const { return registry.host() + "/" + rest; }

  // "app:1" is pulled from the fake registry; lines go to `progress`.
  void pull(const std::string& rest, distribution::ProgressSink& progress, const std::string& architecture = {},
            std::stop_token stop = {}) {
    distribution::PullRequest request{.reference = oci::parse_reference(name(rest)), .platforms = {}, .context = {}};
    if (!architecture.empty())
      request.platforms = distribution::PlatformChoice::these({oci::parse_platform("linux/" + architecture, host)});
    distribution::Puller(services()).pull(request, progress, std::move(stop));
  }
  // The code and text of the Error that a pull ends with.
  std::pair<base::ErrorCode, std::string> pull_error(const std::string& rest, const std::string& architecture = {}) {
    RecordingProgress progress;
    try {
      pull(rest, progress, architecture);
    } catch (const base::Error& error) {
      return {error.code(), error.text()};
    }
    return {base::ErrorCode::kInternal, "nothing was thrown"};
  }

  void push(const std::string& repository, const std::optional<std::string>& tag, distribution::ProgressSink& progress,
            const std::string& architecture = {}) {
    distribution::PushRequest request{
        .repository = oci::parse_reference(name(repository)).repository(), .tag = tag, .platforms = {}, .context = {}};
    if (!architecture.empty())
      request.platforms = distribution::PlatformChoice::these({oci::parse_platform("linux/" + architecture, host)});
    distribution::Pusher(services()).push(request, progress, {});
  }
};

}  // namespace lighterd::tests
