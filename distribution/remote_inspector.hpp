// SPDX-License-Identifier: Apache-2.0
// What a registry says of an image, without a layer.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "distribution/puller.hpp"
#include "distribution/remote_document.hpp"

namespace lighterd::distribution {

// What Docker's path shows (GET /distribution/{name}/json).
struct RemoteImage {
  oci::Descriptor descriptor;            // media type of the payload, digest, size
  std::vector<oci::Platform> platforms;  // of an index every entry's, in order; of a manifest its config's
};

struct InspectRequest {
  enum class Platforms { kOne, kAll };
  enum class Tags { kList, kLeave };
  enum class Referrers { kList, kLeave };

  oci::Reference name;                         // without default tag
  std::string id = {};                         // instead of a tag: a digest, or 64 hex digits; empty: none
  std::optional<oci::Platform> platform = {};  // none: the host's
  Platforms platforms = Platforms::kOne;
  Tags tags = Tags::kList;
  Referrers referrers = Referrers::kLeave;
  OperationContext context = {};
};

struct RemoteEntry {
  oci::Descriptor descriptor;
  std::optional<RemoteManifest> image = {};  // where all platforms were asked for, and it is an image
};

struct RemoteDescription {
  oci::RepositoryName repository;
  std::string tag = {};                                        // empty: asked for by digest or ID
  std::optional<oci::Descriptor> target = {};                  // what the tag stands for; none: V1
  std::optional<std::vector<std::string>> tags = {};           // none: not asked for, or kept from us
  RemoteManifest image = {};                                   // of the platform
  std::vector<RemoteEntry> entries = {};                       // of an index
  std::optional<std::vector<oci::Descriptor>> referrers = {};  // none: not asked for
};

// Thread-safe. All block.
class RemoteInspector {
 public:
  explicit RemoteInspector(DistributionServices services) : services_(services) {}

  // reference has a tag or a digest. A registry's refusal is thrown as the
  // RegistryError that it is; a registry that cannot be reached is kInternal.
  RemoteImage inspect(const oci::Reference& reference, const OperationContext& context, std::stop_token stop);

  // These two speak V1 where /v2/ is not there, and throw as RemoteRepository. describe() takes a tag that nobody named
  // from the list: "latest", or else the first; a platform that is not there is PlatformMissing. At most three requests
  // (tags, manifest, config), one more for each index on the way and for referrers.
  std::vector<std::string> list_tags(const oci::RepositoryName& repository, const OperationContext& context,
                                     std::stop_token stop);
  RemoteDescription describe(const InspectRequest& request, std::stop_token stop);

 private:
  DistributionServices services_;
};

}  // namespace lighterd::distribution
