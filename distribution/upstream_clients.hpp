// SPDX-License-Identifier: Apache-2.0
// The clients by which a cache asks upstream, with the daemon's own credentials only. One serves the requests of some
// seconds, so that an image does not cost a token for each of its blobs.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "base/synchronized.hpp"
#include "distribution/puller.hpp"

namespace lighterd::distribution {

enum class Patience {
  kUsual,  // RegistryOptions::retry
  kShort,  // something cached can be served instead: two tries, and no long pauses
};

// Thread-safe.
class UpstreamClients {
 public:
  UpstreamClients(const DistributionServices& services, std::string via, std::string user_agent);

  // `via`: of the daemons for which it asks, before the own one. Reads certs.d, throws as make_endpoints.
  std::shared_ptr<RegistryClient> get(const oci::RepositoryName& name, Patience patience, const std::string& via);

 private:
  using Clock = std::chrono::steady_clock;
  struct Kept {
    std::shared_ptr<RegistryClient> client;
    Clock::time_point made_at;
  };

  HttpClient& http_;
  base::Logger& logger_;
  const RegistryOptions usual_;
  const RegistryOptions short_;
  const std::string user_agent_;
  base::Synchronized<std::map<std::string, Kept>> kept_;
};

}  // namespace lighterd::distribution
