// SPDX-License-Identifier: Apache-2.0
// What a registry says of an image, without a layer.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "distribution/puller.hpp"
#include "oci/image_config.hpp"

namespace lighterd::distribution {

// What Docker's path shows (GET /distribution/{name}/json).
struct RemoteImage {
  oci::Descriptor descriptor;            // media type of the payload, digest, size
  std::vector<oci::Platform> platforms;  // of an index every entry's, in order; of a manifest its config's
};

// One image: a manifest and what its config says.
struct RemoteManifest {
  std::optional<oci::Descriptor> manifest;  // none: a registry of the V1 protocol has no such thing
  std::optional<oci::Descriptor> config_descriptor;
  std::string artifact_type;
  std::optional<oci::ImageConfig> config;  // none: an artifact
  std::vector<oci::Descriptor> layers;     // base first; size -1: the manifest does not say
};

struct RemoteEntry {
  oci::Descriptor descriptor;
  std::optional<RemoteManifest> image;  // where all platforms were asked for, and it is an image
};

struct RemoteDescription {
  oci::RepositoryName repository;
  std::string tag;                                        // empty: asked for by digest or ID
  std::optional<oci::Descriptor> target;                  // what the tag stands for; none: V1
  std::optional<std::vector<std::string>> tags;           // none: not asked for
  RemoteManifest image;                                   // of the platform
  std::vector<RemoteEntry> entries;                       // of an index
  std::optional<std::vector<oci::Descriptor>> referrers;  // none: not asked for
};

// A name as people have it: a reference, or the URL of a registry with a repository behind it (A14).
struct RemoteName {
  oci::Reference reference;  // without default tag
};
// kInvalidArgument as oci::parse_reference; for http:// too, unless the host is an insecure registry.
RemoteName parse_remote_name(const std::string& text, const RegistryOptions& options);

struct InspectRequest {
  RemoteName name;
  std::string id;  // instead of a tag: a digest, or 64 hex digits of a V1 image; empty: none
  std::optional<oci::Platform> platform;
  enum class Platforms { kOne, kAll } platforms = Platforms::kOne;
  enum class Tags { kList, kLeave } tags = Tags::kList;
  enum class Referrers { kList, kLeave } referrers = Referrers::kLeave;
  OperationContext context;
};

// Thread-safe.
class RemoteInspector {
 public:
  explicit RemoteInspector(DistributionServices services) : services_(services) {}

  // reference has a tag or a digest. A registry's refusal is thrown as the
  // RegistryError that it is; a registry that cannot be reached is kInternal.
  RemoteImage inspect(const oci::Reference& reference, const OperationContext& context, std::stop_token stop);

  // The two below ask V1 registries too, where /v2/ is not there. They throw RemoteError for what is not there,
  // RegistryError for other refusals, kUnavailable, kDataLoss, kInvalidArgument, kCancelled.
  std::vector<std::string> list_tags(const RemoteName& name, const OperationContext& context, std::stop_token stop);
  RemoteDescription describe(const InspectRequest& request, std::stop_token stop);

 private:
  DistributionServices services_;
};

}  // namespace lighterd::distribution
