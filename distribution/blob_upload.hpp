// SPDX-License-Identifier: Apache-2.0
// One blob into one repository of a registry (registry-protocol.md A12 1-3): looked for, mounted from another
// repository, or sent. Knows nothing of manifests and of what else is pushed.
#pragma once

#include <atomic>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "distribution/registry_session.hpp"
#include "distribution/upload.hpp"
#include "distribution/upload_retry.hpp"
#include "distribution/upload_session.hpp"

namespace lighterd::distribution {

// Of one operation. Thread-safe: layers are pushed through it in parallel. The session must outlive it.
class BlobUploader {
 public:
  BlobUploader(RegistrySession& registry, std::string repository_path, const UploadOptions& options)
      : registry_(registry), path_(std::move(repository_path)), options_(options) {}

  // One request, as it is answered.
  bool has_blob(const oci::Digest& digest, const std::stop_token& stop);
  // As RegistryClient::push_blob.
  UploadResult push(const oci::Descriptor& descriptor, const UploadContent& content,
                    const std::vector<std::string>& mount_candidates, const UploadWatcher& watcher,
                    const std::stop_token& stop);

 private:
  struct Mount {
    std::string from;                      // empty: not mounted
    std::optional<UploadSession> session;  // that a registry opened instead
  };
  Call call(const char* method, const std::string& path) const;
  Mount mount_from_any(const oci::Descriptor& descriptor, const std::vector<std::string>& candidates,
                       const std::stop_token& stop);
  Mount mount(const oci::Digest& digest, const std::string& from, const std::stop_token& stop);
  UploadSession start(const std::stop_token& stop);
  void send(std::optional<UploadSession>& session, const oci::Descriptor& descriptor, const UploadContent& content,
            UploadRetry& retry, const UploadWatcher& watcher, const std::stop_token& stop);
  bool send_in_chunks(UploadSession& session, const oci::Digest& digest, const UploadContent& content,
                      UploadRetry& retry, const UploadWatcher& watcher, const std::stop_token& stop);

  RegistrySession& registry_;
  const std::string path_;
  const UploadOptions options_;
  // The registry takes no chunks, or cannot go on with an upload that broke off.
  std::atomic<bool> sends_whole_ = false;
};

}  // namespace lighterd::distribution
