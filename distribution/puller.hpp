// SPDX-License-Identifier: Apache-2.0
// Pull: resolve, choose the platform, fetch what is missing, verify, publish. Nothing is visible before all of it is
// verified. The statuses reported are those of engine-api.md section 2.2.
#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include "base/log.hpp"
#include "distribution/platform_choice.hpp"
#include "distribution/progress.hpp"
#include "distribution/registry_client.hpp"
#include "distribution/single_flight.hpp"
#include "distribution/transfer_queue.hpp"
#include "imagestore/image_store.hpp"
#include "oci/platform.hpp"
#include "oci/reference.hpp"

namespace lighterd::distribution {

struct PullRequest {
  oci::Reference reference;  // name-only: every tag
  PlatformChoice platforms;
  OperationContext context;
  // Told of each reference once its image is published, before the last reports of it; empty: nobody.
  std::function<void(const oci::Reference&)> on_published = {};
};

// What transfers of the daemon work with; each outlives every operation.
struct DistributionServices {
  HttpClient& http;
  const RegistryOptions& registries;
  imagestore::ContentStore& content;
  imagestore::ImageStore& images;
  TransferQueue& downloads;
  TransferQueue& uploads;
  const oci::Platform& host;
  base::Logger& logger;
};

// What pulls of the same thing at the same time ask for once; by client identity and name.
struct SharedRequests {
  SingleFlight<oci::Descriptor> resolves;
  SingleFlight<FetchedManifest> manifests;
  SingleFlight<std::string> configs;
};

// Thread-safe.
class Puller {
 public:
  explicit Puller(DistributionServices services) : services_(services) {}

  // Blocks until the image is published; the last report is the "Status: ..." line. Before the first report an error
  // has the code that its HTTP status is made of: kNotFound (tag, platform, or "pull access denied for ..."),
  // kUnauthenticated, kPermissionDenied, kResourceExhausted, kInvalidArgument (schema 1, confused documents), kInternal
  // (registry not reachable, 5xx), kDataLoss, kCancelled.
  void pull(const PullRequest& request, ProgressSink& progress, std::stop_token stop);

  SharedRequests& shared() { return shared_; }

 private:
  DistributionServices services_;
  SharedRequests shared_;
};

// Docker's words for what a registry answered to a pull of `reference` (registry-protocol.md A13, classic): an Error
// whose code makes the HTTP status. Call inside a catch block; what is no registry's answer is rethrown as it is, a
// registry that could not be reached as kInternal.
[[noreturn]] void rethrow_for_pull(const oci::Reference& reference);

}  // namespace lighterd::distribution
