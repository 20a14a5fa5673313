// SPDX-License-Identifier: Apache-2.0
// An image of schema 1 on its way in: its layers are fetched as any image's, and a config and a schema 2 manifest are
// made of what they turn out to be (registry-protocol.md A7).
#pragma once

#include <memory>
#include <stop_token>
#include <vector>

#include "distribution/layer_fetch.hpp"
#include "oci/schema1.hpp"

namespace lighterd::distribution {

// The layers of the image, base first, one as often as it is there, with the sizes that its manifest does not say: the
// store's, or else the registry's, by a HEAD for each (RegistryClient::find_blob_size). Blocks. RemoteError "blob
// <digest> was not found in repository <name>"; throws as RegistryClient.
std::vector<oci::Descriptor> list_schema1_layers(DistributionServices& services, RegistryClient& client,
                                                 const oci::Schema1Manifest& manifest, std::stop_token stop);

// For one operation and one thread. What it is made of outlives it.
class Schema1Pull {
 public:
  Schema1Pull(DistributionServices& services, std::shared_ptr<RegistryClient> client, const imagestore::Lease& lease,
              const oci::Schema1Manifest& manifest);

  // That are all here and leased.
  LayerFetch::Layers get_layers();
  // Throws as list_schema1_layers and LayerFetch.
  LayerFetch::Layers fetch_layers(ProgressSink& progress, std::stop_token stop);
  // The manifest of the converted image; it and its config are in the store then, leased. kNotImplemented for layers in
  // bzip2 or xz, which a manifest cannot name.
  oci::Descriptor convert(const LayerFetch::Layers& layers);

 private:
  oci::Descriptor keep(std::string_view media_type, const std::string& bytes);

  DistributionServices& services_;
  std::shared_ptr<RegistryClient> client_;
  const imagestore::Lease& lease_;
  const oci::Schema1Manifest& manifest_;
};

}  // namespace lighterd::distribution
