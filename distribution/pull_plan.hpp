// SPDX-License-Identifier: Apache-2.0
// What a pull would fetch, found out by its own rules, without a layer and without a trace in the store.
#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "distribution/puller.hpp"

namespace lighterd::distribution {

struct PlannedBlob {
  enum class Kind {
    kIndex,
    kManifest,
    kConfig,
    kLayer,
    kAttestation,  // whatever an index has about an image, and the parts of that
  };
  Kind kind = Kind::kLayer;
  oci::Descriptor descriptor;
  std::int64_t fetch_bytes = 0;  // of answers' bodies
  std::int64_t reuse_bytes = 0;  // here already
};

struct PullPlan {
  oci::Reference reference;  // with its tag or digest
  oci::Digest target;        // that it stands for
  // The name stands for it already, and nothing that the images need is missing.
  bool is_up_to_date = false;
  std::vector<PlannedBlob> blobs = {};  // each once, in the order in which a pull comes to them
  std::int64_t disk_free_bytes = 0;     // for who runs the daemon, on the disk of the store

  std::int64_t fetch_bytes() const;
  std::int64_t reuse_bytes() const;
  // For the pull to succeed.
  std::int64_t disk_needed_bytes() const { return fetch_bytes(); }
};

// Thread-safe.
class PullPlanner {
 public:
  explicit PullPlanner(DistributionServices services) : services_(services) {}

  // Of a reference with a tag or a digest. Asks for the manifests that are not here, and for nothing else. Blocks.
  // Throws as Puller::pull before its first report.
  PullPlan plan(const PullRequest& request, std::stop_token stop);

 private:
  DistributionServices services_;
  SharedRequests shared_;  // apart from those of pulls, which keep what they fetch
};

}  // namespace lighterd::distribution
