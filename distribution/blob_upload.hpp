// SPDX-License-Identifier: Apache-2.0
// One blob into one repository of a registry (registry-protocol.md A12 1-3): looked for, mounted from another
// repository, or sent. Knows nothing of manifests and of what else is pushed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "distribution/registry_session.hpp"

namespace lighterd::distribution {

// Of one operation. Thread-safe: layers are pushed through it in parallel. The session must outlive it.
class BlobUploader {
 public:
  BlobUploader(RegistrySession& session, std::string repository_path)
      : session_(session), path_(std::move(repository_path)) {}

  bool has_blob(const oci::Digest& digest, const std::stop_token& stop);
  // As RegistryClient::push_blob.
  UploadResult push(const oci::Descriptor& descriptor, const RequestBody& body,
                    const std::vector<std::string>& mount_candidates, const std::function<void(std::int64_t)>& on_sent,
                    const std::stop_token& stop);

 private:
  Call call(const char* method, const std::string& path) const;
  std::optional<Answer> mount(const oci::Digest& digest, const std::string& from, const std::stop_token& stop);
  Answer start_upload(const std::stop_token& stop);
  void finish_upload(const Answer& started, const oci::Digest& digest, const RequestBody& body,
                     const std::stop_token& stop);

  RegistrySession& session_;
  const std::string path_;
};

}  // namespace lighterd::distribution
