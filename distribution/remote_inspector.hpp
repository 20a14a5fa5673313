// SPDX-License-Identifier: Apache-2.0
// What a registry says of an image, without a layer (GET /distribution/{name}/json).
#pragma once

#include <stop_token>
#include <vector>

#include "distribution/puller.hpp"

namespace lighterd::distribution {

struct RemoteImage {
  oci::Descriptor descriptor;            // media type of the payload, digest, size
  std::vector<oci::Platform> platforms;  // of an index every entry's, in order; of a manifest its config's
};

// Thread-safe.
class RemoteInspector {
 public:
  explicit RemoteInspector(DistributionServices services) : services_(services) {}

  // reference has a tag or a digest. A registry's refusal is thrown as the
  // RegistryError that it is; a registry that cannot be reached is kInternal.
  RemoteImage inspect(const oci::Reference& reference, const OperationContext& context, std::stop_token stop);

 private:
  DistributionServices services_;
};

}  // namespace lighterd::distribution
