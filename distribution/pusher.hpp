// SPDX-License-Identifier: Apache-2.0
// Push: children before parents, the tag last; what the registry has already is not sent, what another repository of it
// has is mounted. The statuses reported are those of engine-api.md section 2.3.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>

#include "distribution/puller.hpp"

namespace lighterd::distribution {

struct PushRequest {
  oci::RepositoryName repository;
  std::optional<std::string> tag;  // none: every tag of the repository
  PlatformChoice platforms;        // PushChoice says what each is
  OperationContext context;
  // Told of each tag once it is there, before the last reports of it; empty: nobody.
  std::function<void(const oci::Reference&)> on_pushed = {};
};

// Thread-safe.
class Pusher {
 public:
  explicit Pusher(DistributionServices services) : services_(services) {}

  // Blocks until every tag is there. Reports "The push refers to repository [...]" before anything can fail, and a
  // platform that is pushed in an index's place by an aux record. Throws as PushChoice, and what a registry answered.
  void push(const PushRequest& request, ProgressSink& progress, std::stop_token stop);

 private:
  DistributionServices services_;
};

}  // namespace lighterd::distribution
