// SPDX-License-Identifier: Apache-2.0
// Which upstream registries are not asked for now where something cached can be served instead, and why.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/synchronized.hpp"
#include "oci/reference.hpp"

namespace lighterd::distribution {

// Whether upstream could not be reached, had enough of us (429), refuses us (401, 403), fails, or sent what is not what
// its digest says. Not: that it has not got it, that we were stopped, what is wrong here.
bool is_upstream_failure(const base::Error& error);

// "docker.io: 503 Service Unavailable".
std::string describe_failure(const oci::RepositoryName& name, const base::Error& error);

// Thread-safe. At most 1,000 are remembered.
class UpstreamHealth {
 public:
  explicit UpstreamHealth(std::chrono::milliseconds pause) : pause_(pause) {}

  // "docker.io: 503 Service Unavailable" while the repository or its host is left alone.
  std::optional<std::string> find_reason(const oci::RepositoryName& name);
  // Returns the reason. No connection, 429 and 5xx are of the host, anything else of the repository.
  std::string note_failure(const oci::RepositoryName& name, const base::Error& error);
  void note_success(const oci::RepositoryName& name);

 private:
  using Clock = std::chrono::steady_clock;
  struct Down {
    Clock::time_point until;
    std::string reason;
  };

  const std::chrono::milliseconds pause_;
  base::Synchronized<std::map<std::string, Down>> downs_;  // by host, and by whole name
};

}  // namespace lighterd::distribution
